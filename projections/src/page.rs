//! Lists in pages, as `pagination[page]`, `pagination[limit]`, `sort[column]` and `sort[direction]` ask for them.

use sqlx::{Postgres, QueryBuilder};

/// Rows of a page at most.
const MAX_LIMIT: i64 = 100;
const DEFAULT_LIMIT: i64 = 20;

/// Which page, how long, in what order.
#[derive(Clone, Debug)]
pub struct Paging {
    /// From 1; past the end means the last page.
    pub page: i64,
    pub limit: i64,
    pub sort: Option<String>,
    pub descending: bool,
}

impl Default for Paging {
    fn default() -> Self {
        Self { page: 1, limit: DEFAULT_LIMIT, sort: None, descending: false }
    }
}

/// A page of rows, and how many there are in all.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub total: i64,
    pub pages: i64,
    pub current: i64,
    pub limit: i64,
}

impl<T> Page<T> {
    pub fn map<U>(self, with: impl FnMut(T) -> U) -> Page<U> {
        let Self { rows, total, pages, current, limit } = self;
        Page { rows: rows.into_iter().map(with).collect(), total, pages, current, limit }
    }
}

impl Paging {
    pub fn limit(&self) -> i64 {
        self.limit.clamp(1, MAX_LIMIT)
    }

    fn pages(&self, total: i64) -> i64 {
        ((total + self.limit() - 1) / self.limit()).max(1)
    }

    fn current(&self, total: i64) -> i64 {
        self.page.clamp(1, self.pages(total))
    }

    /// LIMIT and OFFSET.
    pub fn window(&self, total: i64) -> (i64, i64) {
        (self.limit(), (self.current(total) - 1) * self.limit())
    }

    /// An ORDER BY list of known columns only: `columns` maps names of the API to those of the view.
    pub fn order(&self, columns: &[(&str, &str)], default: &str) -> String {
        let asked = self.sort.as_deref().unwrap_or_default();
        let direction = if self.descending { "DESC" } else { "ASC" };
        match columns.iter().find(|(name, _)| *name == asked) {
            Some((_, column)) => format!("{column} {direction} NULLS LAST, {default}"),
            None => default.to_owned(),
        }
    }

    pub fn page<T>(&self, rows: Vec<T>, total: i64) -> Page<T> {
        Page { rows, total, pages: self.pages(total), current: self.current(total), limit: self.limit() }
    }
}

/// A search text as a LIKE pattern's literal middle.
pub fn like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// Narrows a query to the rows where this is one of the values; all rows stay where no value is named.
pub fn narrow(query: &mut QueryBuilder<'_, Postgres>, what: &str, values: &[bool]) {
    if !values.is_empty() {
        query.push(format!(" AND {what} = ANY(")).push_bind(values.to_vec()).push(")");
    }
}
