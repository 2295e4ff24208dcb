//! Programs as LibAFL inputs. Corpus files are the text form, so a corpus can be read, reviewed and versioned.

use std::path::Path;

use libafl::Error;
use libafl::corpus::CorpusId;
use libafl::inputs::Input;
use libafl_bolts::HasLen;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use super::Program;

impl Serialize for Program {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Program {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Program, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl HasLen for Program {
    fn len(&self) -> usize {
        self.calls.len()
    }
}

impl Input for Program {
    fn to_file<P: AsRef<Path>>(&self, path: P) -> Result<(), Error> {
        libafl_bolts::fs::write_file_atomic(path, self.to_string().as_bytes())
    }

    fn from_file<P: AsRef<Path>>(path: P) -> Result<Program, Error> {
        let text = std::fs::read_to_string(path.as_ref())?;
        text.parse().map_err(|error| Error::serialize(format!("{}: {error}", path.as_ref().display())))
    }

    fn generate_name(&self, _: Option<CorpusId>) -> String {
        self.file_name()
    }
}

impl Program {
    /// A name that only the same program has: FNV-1a of its text, the same in every version of the compiler.
    pub fn file_name(&self) -> String {
        let hash = self.to_string().bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        format!("{hash:016x}.program")
    }
}
