//! Lists in pages. A token holds the last key that was shown, so that what is added or removed meanwhile neither hides nor
//! repeats anything else.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::exception::Exception;

/// ECS: 1 to 100 entries a page, 100 unless the caller says otherwise.
const PAGE_MAX: usize = 100;

/// Which page a caller asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Paging {
    max_results: Option<i64>,
    next_token: Option<String>,
}

/// Which way a list goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Ascending,
    Descending,
}

/// One page of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<T> {
    /// In the list's order.
    pub(super) items: Vec<T>,
    /// How to ask for the next; absent on the last.
    pub(super) next_token: Option<String>,
}

impl Paging {
    fn limit(&self, otherwise: usize) -> Result<usize, Exception> {
        let asked = self.max_results.unwrap_or(otherwise as i64);
        usize::try_from(asked)
            .ok()
            .filter(|limit| (1..=PAGE_MAX).contains(limit))
            .ok_or_else(|| {
                let text = format!("maxResults must be between 1 and {PAGE_MAX}.");
                Exception::invalid_parameter(text)
            })
    }

    /// Refuses pages of more than `max` entries, where an operation has shorter ones than others.
    pub(super) fn check_at_most(&self, max: usize) -> Result<(), Exception> {
        if self.limit(max)? > max {
            return Err(Exception::invalid_parameter(format!(
                "maxResults must be between 1 and {max}."
            )));
        }
        Ok(())
    }

    /// The key behind which the page begins.
    fn after<K: FromStr>(&self) -> Result<Option<K>, Exception> {
        let Some(token) = self.next_token.as_deref().filter(|token| !token.is_empty()) else {
            return Ok(None);
        };
        let key = URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .and_then(|text| text.parse().ok());
        key.map(Some)
            .ok_or_else(|| Exception::invalid_parameter("Invalid token."))
    }

    /// The page asked for, of `items`, which come in `order` of their keys.
    pub(super) fn page<T, K: Ord + Display + FromStr>(
        &self,
        order: Order,
        items: impl Iterator<Item = T>,
        key: impl Fn(&T) -> K,
    ) -> Result<Page<T>, Exception> {
        self.page_of(PAGE_MAX, order, items, key)
    }

    /// The same, with `otherwise` entries a page unless the caller says how many.
    pub(super) fn page_of<T, K: Ord + Display + FromStr>(
        &self,
        otherwise: usize,
        order: Order,
        items: impl Iterator<Item = T>,
        key: impl Fn(&T) -> K,
    ) -> Result<Page<T>, Exception> {
        let (limit, after) = (self.limit(otherwise)?, self.after::<K>()?);
        let was_shown = |item: &T| {
            after.as_ref().is_some_and(|after| match order {
                Order::Ascending => key(item) <= *after,
                Order::Descending => key(item) >= *after,
            })
        };
        let mut rest = items.skip_while(was_shown);
        let items: Vec<T> = rest.by_ref().take(limit).collect();
        let has_more = rest.next().is_some();
        let next_token = items
            .last()
            .filter(|_| has_more)
            .map(|last| token(&key(last)));
        Ok(Page { items, next_token })
    }
}

fn token(key: &impl Display) -> String {
    URL_SAFE_NO_PAD.encode(key.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn paging(max_results: i64, next_token: Option<String>) -> Paging {
        Paging {
            max_results: Some(max_results),
            next_token,
        }
    }

    #[test]
    fn pages_are_whole_and_stable_under_inserts() {
        let mut numbers: Vec<u64> = (0..10).map(|n| n * 10).collect();
        let mut seen = Vec::new();
        let mut next = None;
        loop {
            let page = paging(3, next)
                .page(Order::Ascending, numbers.iter().copied(), |n| *n)
                .unwrap();
            seen.extend(page.items);
            // What is put in behind the reader stays unseen, what is put in before it is seen, and nothing comes twice.
            numbers.insert(0, 0);
            numbers.retain(|n| *n != 20);
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        assert_eq!(seen, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
    }

    #[test]
    fn the_last_page_has_no_token() {
        let page = paging(2, None)
            .page(Order::Descending, [2_u64, 1].into_iter(), |n| *n)
            .unwrap();
        assert_eq!((page.items, page.next_token), (vec![2, 1], None));
    }

    #[test]
    fn limits_and_foreign_tokens_are_refused() {
        let ask = |paging: Paging| paging.page(Order::Ascending, 0..3_u64, |n| *n).unwrap_err();
        assert!(ask(paging(0, None)).message().contains("between 1 and 100"));
        assert!(
            ask(paging(101, None))
                .message()
                .contains("between 1 and 100")
        );
        assert_eq!(ask(paging(1, Some("?".into()))).message(), "Invalid token.");
        assert_eq!(
            ask(paging(1, Some(token(&"x")))).message(),
            "Invalid token."
        );
    }
}
