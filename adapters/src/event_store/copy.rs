//! Many rows for a table at once, by `COPY … FROM STDIN (FORMAT binary)`: the server neither plans nor unnests anything, and
//! fills whole pages at a time.

use futures_util::future::join;
use sqlx::encode::IsNull;
use sqlx::postgres::{PgArgumentBuffer, PgCopyIn};
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
    columns: i16,
    buffer: PgArgumentBuffer,
}

impl CopyRows {
    /// Writes rows for `table (column, …)`, which is of this code and not of any input, while the server gets ready to take
    /// them, and sends them; the server has them when the answer has [`Copying::finish`]ed.
    ///
    /// # Errors
    /// Those of the database, and that of `write`.
    pub async fn send<'c>(
        into: &'static str,
        connection: &'c mut PgConnection,
        write: impl FnOnce(&mut Self) -> Result<(), sqlx::Error>,
    ) -> Result<Copying<'c>, sqlx::Error> {
        let statement = format!("COPY {into} FROM STDIN (FORMAT binary)");
        let columns = into.matches(',').count() as i16 + 1;
        let mut rows = Self { columns, buffer: PgArgumentBuffer::default() };
        let written = async {
            rows.buffer.extend(HEADER);
            write(&mut rows)?;
            rows.buffer.extend(END.to_be_bytes());
            Ok(rows.buffer)
        };
        let (copy, written) = join(connection.copy_in_raw(&statement), written).await;
        let mut copy = copy?;
        match written {
            Ok(rows) => {
                copy.send(rows.as_slice()).await?;
                Ok(Copying(copy))
            }
            Err(error) => {
                copy.abort("a value cannot be written").await?;
                Err(error)
            }
        }
    }

    /// Begins a row, whose values follow in the order of the columns.
    #[must_use]
    pub fn row(&mut self) -> Row<'_> {
        self.buffer.extend(self.columns.to_be_bytes());
        Row(&mut self.buffer)
    }
}

/// Rows that were sent, and that the server is taking.
#[must_use = "the server waits to hear that there are no more"]
pub struct Copying<'c>(PgCopyIn<&'c mut PgConnection>);

impl Copying<'_> {
    /// # Errors
    /// Those of the database; that a row of these is there already among them.
    pub async fn finish(self) -> Result<(), sqlx::Error> {
        self.0.finish().await?;
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
