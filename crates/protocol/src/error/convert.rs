//! From the errors of parsing: each tells the client what is wrong in its own words.

use wellspring_types::json::NumberError;
use wellspring_types::{
    FieldPathError, FilterError, JsonError, MutationIdError, PathError, SelectError, TimestampError,
};

use super::{Code, WireError};

impl From<JsonError> for WireError {
    fn from(error: JsonError) -> WireError {
        let code = match error {
            JsonError::TooDeep => Code::TooDeep,
            JsonError::DuplicateKey { .. } => Code::DuplicateKey,
            JsonError::TooLarge { .. } => Code::TooLarge,
            _ => Code::InvalidArgument,
        };
        WireError::new(code, error.to_string())
    }
}

impl From<FilterError> for WireError {
    fn from(error: FilterError) -> WireError {
        match error {
            FilterError::Json(error) => error.into(),
            FilterError::TooDeep => WireError::new(Code::TooDeep, error.to_string()),
            FilterError::TooLarge { .. } => WireError::new(Code::TooLarge, error.to_string()),
            _ => WireError::invalid_argument(error.to_string()),
        }
    }
}

macro_rules! invalid_argument {
    ($($error:ty),*) => {$(
        impl From<$error> for WireError {
            fn from(error: $error) -> WireError {
                WireError::invalid_argument(error.to_string())
            }
        }
    )*};
}

invalid_argument!(
    FieldPathError,
    MutationIdError,
    NumberError,
    PathError,
    SelectError,
    TimestampError
);
