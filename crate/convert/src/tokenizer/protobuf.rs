//! The wire format of protocol buffers, as far as a SentencePiece model needs it.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>. A message is fields; each
//! has a number and a value of one of four forms.

use super::TokenizerError;

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// A number of any length: an integer, a truth value, an enumeration.
    Varint(u64),
    /// Eight bytes.
    Fixed64,
    /// Text, bytes or a message.
    Bytes(&'a [u8]),
    /// Four bytes: an `f32`.
    Fixed32([u8; 4]),
}

/// The fields of a message, by number, in the order in which they are there.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), TokenizerError> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => {
                self.take(8)?;
                Value::Fixed64
            }
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).map_err(|_| cut_short())?;
                Value::Bytes(self.take(length)?)
            }
            5 => {
                let bytes = self.take(4)?.first_chunk().copied();
                Value::Fixed32(bytes.ok_or_else(cut_short)?)
            }
            form => {
                return Err(TokenizerError::SentencePiece {
                    reason: format!("a field has the form {form}"),
                });
            }
        };
        Ok((key >> 3, value))
    }

    fn varint(&mut self) -> Result<u64, TokenizerError> {
        let mut number = 0;
        for place in 0..10 {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte >> 7 == 0 {
                return Ok(number);
            }
        }
        Err(TokenizerError::SentencePiece {
            reason: "a number does not end".to_owned(),
        })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], TokenizerError> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(bytes)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), TokenizerError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            // Nothing behind it can be told apart.
            self.rest = &[];
        }
        Some(field)
    }
}

fn cut_short() -> TokenizerError {
    TokenizerError::SentencePiece {
        reason: "a field ends behind its message".to_owned(),
    }
}
