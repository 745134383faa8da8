//! Who asks: the variables that MLflow's own client reads. No message, log or file contains what is in them.

use std::fmt;

use crate::export::error::{ExportError, Result};

/// The value of the header `authorization`.
#[derive(Clone)]
pub struct Key {
    header: String,
    secrets: Vec<String>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(...)")
    }
}

impl Key {
    /// `MLFLOW_TRACKING_USERNAME` with `MLFLOW_TRACKING_PASSWORD`, else `MLFLOW_TRACKING_TOKEN`, else none.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let read = |name: &str| variable(name).filter(|text| !text.is_empty());
        if let (Some(user), Some(password)) = (read("MLFLOW_TRACKING_USERNAME"), read("MLFLOW_TRACKING_PASSWORD")) {
            let encoded = base64(format!("{user}:{password}").as_bytes());
            return Ok(Some(Self { header: format!("Basic {encoded}"), secrets: vec![encoded, password] }));
        }
        let Some(token) = read("MLFLOW_TRACKING_TOKEN") else { return Ok(None) };
        let token = token.trim().to_owned();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ExportError::input("$MLFLOW_TRACKING_TOKEN", "expected one line of visible ASCII characters"));
        }
        Ok(Some(Self { header: format!("Bearer {token}"), secrets: vec![token] }))
    }

    /// The value of the header `authorization`.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// A text without what is secret.
    pub fn removed_from(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0_usize, |bits, at| bits << 8 | usize::from(group.get(at).copied().unwrap_or_default()));
        for at in 0..4 {
            let digit = char::from(DIGITS[bits >> (18 - 6 * at) & 63]);
            text.push(if at > group.len() { '=' } else { digit });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")];
        for (text, expected) in cases {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }

    #[test]
    fn credentials_are_those_of_mlflows_client_and_never_shown() {
        let key = |set: &'static [(&str, &str)]| {
            Key::of(move |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(key(&[]).unwrap().is_none());
        assert!(key(&[("MLFLOW_TRACKING_TOKEN", "")]).unwrap().is_none());
        let token = key(&[("MLFLOW_TRACKING_TOKEN", "s3cret\n")]).unwrap().unwrap();
        assert_eq!(token.header(), "Bearer s3cret");
        assert_eq!(token.removed_from("bad token s3cret"), "bad token ***");
        assert_eq!(format!("{token:?}"), "Key(...)");
        let both =
            [("MLFLOW_TRACKING_TOKEN", "t"), ("MLFLOW_TRACKING_USERNAME", "u"), ("MLFLOW_TRACKING_PASSWORD", "pw")];
        let user = key(Box::leak(Box::new(both))).unwrap().unwrap();
        assert_eq!(user.header(), "Basic dTpwdw==");
        assert_eq!(user.removed_from("dTpwdw== pw"), "*** ***");
        assert!(key(&[("MLFLOW_TRACKING_TOKEN", "a\nb")]).is_err());
    }
}
