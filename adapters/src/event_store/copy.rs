//! Many rows for a table at once, by `COPY … FROM STDIN (FORMAT binary)`: the server neither plans nor unnests anything, and
//! fills whole pages at a time.

use sqlx::encode::IsNull;
use sqlx::postgres::PgArgumentBuffer;
use sqlx::{Encode, PgConnection, Postgres};

/// What a binary COPY begins with: signature, flags, and the length of an extension there is none of.
const HEADER: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// In the place of a row's number of values.
const END: i16 = -1;
/// In the place of a value's length.
const NULL: i32 = -1;

/// Rows on their way into a table.
///
/// Values go as they are: each must be of its column's very type.
pub struct CopyRows {
    /// `table (column, …)`, of this code and not of any input.
    into: &'static str,
    columns: i16,
    buffer: PgArgumentBuffer,
}

impl CopyRows {
    pub fn new(into: &'static str) -> Self {
        let columns = into.matches(',').count() as i16 + 1;
        let mut buffer = PgArgumentBuffer::default();
        buffer.extend(HEADER);
        Self { into, columns, buffer }
    }

    /// Begins a row, whose values follow in the order of the columns.
    #[must_use]
    pub fn row(&mut self) -> Row<'_> {
        self.buffer.extend(self.columns.to_be_bytes());
        Row(&mut self.buffer)
    }

    /// # Errors
    /// Those of the database; that a row of these is there already among them.
    pub async fn send(mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.buffer.extend(END.to_be_bytes());
        let mut copy = connection.copy_in_raw(&format!("COPY {} FROM STDIN (FORMAT binary)", self.into)).await?;
        copy.send(self.buffer.as_slice()).await?;
        copy.finish().await?;
        Ok(())
    }
}

/// A row that is being written.
pub struct Row<'a>(&'a mut PgArgumentBuffer);

impl Row<'_> {
    /// # Errors
    /// A value that cannot be written, which no value of this code's types is.
    pub fn value<'q>(self, value: impl Encode<'q, Postgres>) -> Result<Self, sqlx::Error> {
        let at = self.0.len();
        self.0.extend(NULL.to_be_bytes());
        if let IsNull::No = value.encode(self.0).map_err(sqlx::Error::Encode)? {
            let length = (self.0.len() - at - size_of_val(&NULL)) as i32;
            self.0[at..at + size_of_val(&NULL)].copy_from_slice(&length.to_be_bytes());
        }
        Ok(self)
    }
}
