//! Lists of the API: `pagination[page]`, `pagination[limit]`, `sort[…]`, `search`, `filters[…]` in, one envelope out.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chancery_projections::page::{Page, Paging};
use serde_json::{Value, json};

use super::error::ApiError;

/// What a list was asked for.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    pub paging: Paging,
    pub search: Option<String>,
    filters: Vec<(String, String)>,
}

impl Listing {
    /// All values of a filter; none means no restriction.
    pub fn filter(&self, name: &str) -> Vec<String> {
        self.filters.iter().filter(|(field, _)| field == name).map(|(_, value)| value.clone()).collect()
    }

    /// The values of a filter of truth values; others are ignored.
    pub fn flags(&self, name: &str) -> Vec<bool> {
        self.filter(name).iter().filter_map(|value| value.parse().ok()).collect()
    }

    pub fn parse(query: &str) -> Self {
        let mut listing = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            // No text that we keep holds NUL, and the database takes none.
            let value = value.replace('\0', "");
            match name.as_ref() {
                // `page` alone is what some tools send.
                "pagination[page]" | "page" => listing.paging.page = value.parse().unwrap_or(1),
                "pagination[limit]" | "limit" => listing.paging.limit = value.parse().unwrap_or(20),
                "sort[column]" => listing.paging.sort = Some(value),
                "sort[direction]" => listing.paging.descending = value == "desc",
                "search" => listing.search = Some(value).filter(|text| !text.is_empty()),
                name => {
                    let field = name.strip_prefix("filters[").and_then(|rest| rest.split(']').next());
                    listing.filters.extend(field.map(|field| (field.to_owned(), value)));
                }
            }
        }
        listing
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Listing {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

/// `{"data", "pagination"}`.
pub fn envelope<T>(page: Page<T>, row: impl FnMut(T) -> Value) -> Value {
    let Page { rows, total, pages, current, limit } = page.map(row);
    json!({
        "data": rows,
        "pagination": { "totalPages": pages, "totalItems": total, "currentPage": current, "itemsPerPage": limit }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_come_raw_or_encoded() {
        for query in
            ["pagination[page]=2&filters[isAdmin]=true", "pagination%5Bpage%5D=2&filters%5BisAdmin%5D%5B0%5D=true"]
        {
            let listing = Listing::parse(query);
            assert_eq!(listing.paging.page, 2);
            assert_eq!(listing.flags("isAdmin"), [true]);
        }
    }

    #[test]
    fn ad10_nonsense_is_bounded() {
        for (query, limit) in
            [("pagination[limit]=0", 1), ("pagination[limit]=-1", 1), ("pagination[limit]=1000000000", 100)]
        {
            assert_eq!(Listing::parse(query).paging.limit(), limit);
        }
        let order = Listing::parse("sort[column]=id;drop").paging.order(&[("name", "name")], "id");
        assert_eq!(order, "id");
    }
}
