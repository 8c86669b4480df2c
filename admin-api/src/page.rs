//! Lists in pages: `limit` and `after` in a query, `next` in the answer.

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::problem::Problem;

/// Items of a page unless the caller wants another number.
const LIMIT_DEFAULT: usize = 100;
/// Most items of a page: it fits a screen of a machine, not a database.
const LIMIT_MAX: usize = 1_000;

/// A query whose every part we know; an unknown one is refused, because a misspelt filter would show too much.
pub(crate) struct Asked<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let asked: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, app).await;
        asked.map(|Query(asked)| Self(asked)).map_err(|error| Problem::bad_request(error.body_text()))
    }
}

/// One page of items that come in order, and where the next one begins; `name` is what `after` says.
pub(crate) fn page<T>(
    items: impl Iterator<Item = T>,
    limit: Option<usize>,
    name: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>), Problem> {
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::bad_request(format!("limit is 1 to {LIMIT_MAX}")));
    }
    let mut items: Vec<T> = items.take(limit + 1).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(name) } else { None };
    Ok((items, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_to_the_whole() {
        let all: Vec<u32> = (1..=25).collect();
        let (mut seen, mut after) = (Vec::new(), 0);
        loop {
            let rest = all.iter().copied().filter(|number| *number > after);
            let (items, next) = page(rest, Some(10), u32::to_string).expect("a page");
            seen.extend(items);
            let Some(next) = next else { break };
            after = next.parse().expect("a number");
        }
        assert_eq!(seen, all);
        assert!(page(all.iter(), Some(0), |n| n.to_string()).is_err());
        assert!(page(all.iter(), Some(LIMIT_MAX + 1), |n| n.to_string()).is_err());
    }
}
