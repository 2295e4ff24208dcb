//! A kernel's configuration: the `.config` it was built with (Documentation/kbuild/kconfig.rst).

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// What a symbol is set to. A symbol that is not set is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `=y`
    Yes,
    /// `=m`
    Module,
    /// A number or a text, without its quotes.
    Text(String),
}

/// All symbols that are set, by name without `CONFIG_`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelConfig {
    symbols: BTreeMap<String, Value>,
}

impl KernelConfig {
    /// Reads the text of a `.config`; an error says which line is none and why.
    pub fn parse(text: &str) -> std::result::Result<KernelConfig, String> {
        let mut symbols = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) = parse_line(line)
                .ok_or_else(|| format!("line {}: `{line}` is not CONFIG_NAME=value", number + 1))?;
            symbols.insert(name.to_owned(), value);
        }
        Ok(KernelConfig { symbols })
    }

    /// Reads a configuration file, which may be compressed by gzip as `/proc/config.gz` is.
    pub fn read(path: &Path) -> Result<KernelConfig> {
        let unreadable = |error: std::io::Error| {
            Error::usage(format!("kernel configuration {}", path.display())).because(error)
        };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let mut text = String::new();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).map_err(unreadable)?;
        } else {
            text = String::from_utf8_lossy(&bytes).into_owned();
        }
        KernelConfig::parse(&text)
            .map_err(|problem| Error::usage(format!("kernel configuration {}: {problem}", path.display())))
    }

    /// The value of a symbol (without `CONFIG_`), if it is set.
    pub fn get(&self, symbol: &str) -> Option<&Value> {
        self.symbols.get(symbol)
    }

    /// Built into the image (`=y`).
    pub fn is_built_in(&self, symbol: &str) -> bool {
        self.get(symbol) == Some(&Value::Yes)
    }

    /// The text of a text or number symbol.
    pub fn text(&self, symbol: &str) -> Option<&str> {
        match self.get(symbol)? {
            Value::Text(text) => Some(text),
            Value::Yes | Value::Module => None,
        }
    }

    /// All symbols that are set, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.symbols.iter().map(|(symbol, value)| (symbol.as_str(), value))
    }

    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// How many symbols are set.
    pub fn len(&self) -> usize {
        self.symbols.len()
    }
}

fn parse_line(line: &str) -> Option<(&str, Value)> {
    let (name, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
    let tidy = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(tidy) {
        return None;
    }
    let value = match value.trim_end() {
        "y" => Value::Yes,
        "m" => Value::Module,
        quoted if quoted.starts_with('"') => {
            let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
            // Kconfig escapes these two characters and no other.
            Value::Text(inner.replace("\\\"", "\"").replace("\\\\", "\\"))
        }
        plain => Value::Text(plain.to_owned()),
    };
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    const SAMPLE: &str = "#\n# Automatically generated file; DO NOT EDIT.\n#\n\
        CONFIG_CC_VERSION_TEXT=\"gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0\"\n\
        CONFIG_64BIT=y\nCONFIG_BTRFS_FS=m\n# CONFIG_KCOV is not set\nCONFIG_HZ=250\n\
        CONFIG_PHYSICAL_START=0x1000000\nCONFIG_LOCALVERSION=\"\"\n";

    #[test]
    fn every_kind_of_line_is_understood() {
        let config = KernelConfig::parse(SAMPLE).unwrap();
        assert!(config.is_built_in("64BIT"));
        assert_eq!(config.get("BTRFS_FS"), Some(&Value::Module));
        assert!(!config.is_built_in("BTRFS_FS"));
        assert_eq!(config.get("KCOV"), None);
        assert_eq!(config.text("HZ"), Some("250"));
        assert_eq!(config.text("CC_VERSION_TEXT"), Some("gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"));
        assert_eq!(config.text("LOCALVERSION"), Some(""));
        assert_eq!(config.len(), 6);
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        assert_eq!(
            KernelConfig::parse("CONFIG_A=y\nhello\n").unwrap_err(),
            "line 2: `hello` is not CONFIG_NAME=value"
        );
        assert!(KernelConfig::parse("CONFIG_A=\"open").is_err());
        assert!(KernelConfig::parse("CONFIG_=y").is_err());
    }

    #[test]
    fn a_gzipped_file_is_read_like_a_plain_one() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, packed) = (folder.path().join("config"), folder.path().join("config.gz"));
        std::fs::write(&plain, SAMPLE).unwrap();
        let file = std::fs::File::create(&packed).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        encoder.write_all(SAMPLE.as_bytes()).unwrap();
        encoder.finish().unwrap();
        assert_eq!(KernelConfig::read(&plain).unwrap(), KernelConfig::read(&packed).unwrap());
    }

    proptest! {
        #[test]
        fn a_text_value_survives_kconfig_escaping(text in "[ -~]{0,20}") {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            let config = KernelConfig::parse(&format!("CONFIG_T=\"{escaped}\"\n")).unwrap();
            prop_assert_eq!(config.text("T"), Some(text.as_str()));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            let _ = KernelConfig::parse(&text);
        }
    }
}
