//! An error as the body of an HTTP response: problem details (RFC 9457).

use std::fmt::Write as _;

use wellspring_types::Value;
use wellspring_types::json::{self, write_string};

use super::WireError;

impl WireError {
    /// The media type of [`WireError::to_problem_json`].
    pub const PROBLEM_CONTENT_TYPE: &'static str = "application/problem+json";

    /// As problem details (RFC 9457): `{"type":…,"title":…,"status":…,"detail":…,"code":…,
    /// "retry":…,"after_ms":…,"details":…}`. The type is a name, not a link.
    #[must_use]
    pub fn to_problem_json(&self) -> String {
        self.to_problem_json_with(self.code.http_status())
    }

    /// [`WireError::to_problem_json`] with a status that says more than the code's: 405, 415.
    #[must_use]
    pub fn to_problem_json_with(&self, status: u16) -> String {
        let mut out = String::from("{\"type\":");
        write_string(&mut out, &format!("urn:wellspring:error:{}", self.code));
        out.push_str(",\"title\":");
        write_string(&mut out, self.code.meaning());
        // Writing into a String cannot fail.
        let _infallible = write!(out, ",\"status\":{status},\"detail\":");
        write_string(&mut out, &self.message);
        out.push_str(",\"code\":");
        write_string(&mut out, self.code.as_str());
        self.write_retry(&mut out);
        if let Some(details) = &self.details {
            out.push_str(",\"details\":");
            details.write(&mut out);
        }
        out.push('}');
        out
    }

    /// Reads problem details leniently; `None` if the text is not a JSON object with a `code`.
    #[must_use]
    pub fn from_problem_json(text: &[u8]) -> Option<WireError> {
        let problem = json::parse_message(text).ok()?;
        let problem = problem.as_object()?;
        let text = |name: &str| problem.get(name).and_then(Value::as_str);
        let mut error = WireError::received(
            text("code")?,
            text("retry").unwrap_or_default(),
            text("detail").unwrap_or_default(),
        );
        error.after_ms = problem
            .get("after_ms")
            .and_then(Value::as_number)
            .and_then(|n| n.as_u64());
        for (name, value) in problem
            .get("details")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            error = error.detail(name, value.clone());
        }
        Some(error)
    }
}
