//! The parameters of a URL's query: each is known, and given once.

use std::borrow::Cow;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use wellspring_protocol::error::WireError;

use super::address::check_escapes;

/// Parameters that have not been asked for yet.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a query string.
    ///
    /// # Errors
    /// If a parameter is not among `known`, is given twice, or is not encoded as it must be.
    pub(crate) fn read(query: Option<&str>, known: &[&str]) -> Result<Parameters, WireError> {
        let mut read: Vec<(String, String)> = Vec::new();
        let pairs = query.unwrap_or_default().split('&');
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if !known.contains(&name.as_ref()) {
                let told = if known.is_empty() {
                    format!("there is no parameter {name:?} here")
                } else {
                    format!(
                        "there is no parameter {name:?} here; known: {}",
                        known.join(", ")
                    )
                };
                return Err(WireError::invalid_argument(told).detail("parameter", &*name));
            }
            if read.iter().any(|(earlier, _)| *earlier == name) {
                let told = format!("the parameter {name:?} is given twice");
                return Err(WireError::invalid_argument(told).detail("parameter", &*name));
            }
            read.push((name, value));
        }
        Ok(Parameters(read))
    }

    /// The text of a parameter.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// A parameter that is a value of type `T`.
    ///
    /// # Errors
    /// If it does not parse.
    pub(crate) fn parsed<T>(&self, name: &str) -> Result<Option<T>, WireError>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let wrong = |error| WireError::invalid_argument(format!("parameter {name:?}: {error}"));
        text.parse()
            .map(Some)
            .map_err(|error| wrong(error).detail("parameter", name))
    }

    /// Whether a switch is on: `true` or `false`; absent is off.
    ///
    /// # Errors
    /// If it is something else.
    pub(crate) fn switch(&self, name: &str) -> Result<bool, WireError> {
        Ok(self.parsed(name)?.unwrap_or(false))
    }

    /// A list separated by commas; absent or empty: none.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        let text = self.text(name).unwrap_or_default();
        text.split(',').filter(|item| !item.is_empty()).collect()
    }
}

/// Decodes a name or a value of a form (WHATWG URL, section 5.1), but refuses what browsers
/// resolve in silence: a filter must not become one that the client did not write.
fn decode(text: &str) -> Result<String, WireError> {
    let spaced = if text.contains('+') {
        Cow::Owned(text.replace('+', " "))
    } else {
        Cow::Borrowed(text)
    };
    check_escapes(&spaced)?;
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(WireError::invalid_argument(format!(
            "{text:?} is not UTF-8 when decoded"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Parameters, String> {
        let known = ["where", "limit", "old", "order_by"];
        Parameters::read(Some(query), &known).map_err(|error| error.message)
    }

    #[test]
    fn parameters_are_decoded_and_parsed() {
        let read = read("where=%7B%22a%22%3A1%7D&limit=5&old=true&order_by=-year,title").unwrap();
        assert_eq!(read.text("where"), Some(r#"{"a":1}"#));
        assert_eq!(read.parsed::<u32>("limit"), Ok(Some(5)));
        assert_eq!(read.switch("old"), Ok(true));
        assert_eq!(read.list("order_by"), ["-year", "title"]);
        assert!(Parameters::read(None, &[]).is_ok());
    }

    #[test]
    fn unknown_repeated_and_unreadable_parameters_are_named() {
        assert!(read("wher=1").unwrap_err().contains(r#""wher""#));
        assert!(read("limit=1&limit=2").unwrap_err().contains("twice"));
        let error = read("limit=many")
            .unwrap()
            .parsed::<u32>("limit")
            .unwrap_err();
        assert!(
            error.message.starts_with(r#"parameter "limit": "#),
            "{error}"
        );
        assert!(read("old=yes").unwrap().switch("old").is_err());
    }

    #[test]
    fn what_does_not_decode_is_refused_and_not_replaced() {
        for query in ["where=%ff", "where=%", "where=%2", "where=%zz", "%ff=1"] {
            let error = read(query).unwrap_err();
            assert!(error.contains('%'), "{query}: {error}");
        }
        let read = read("&where=a+b%2B%C3%A9&&limit").unwrap();
        assert_eq!(read.text("where"), Some("a b+é"));
        assert_eq!(read.text("limit"), Some(""));
    }
}
