//! Files that travel into a guest through bulk.

use gauntlet_protocol::message::Attachment;

/// Lays files out in bulk, one after another.
#[derive(Debug, Default)]
pub struct Attachments {
    bytes: Vec<u8>,
    files: Vec<Attachment>,
}

impl Attachments {
    /// Adds a file; `None` when its place cannot be described (beyond 4 GiB).
    pub fn add(&mut self, name: &str, content: &[u8]) -> Option<Attachment> {
        let offset = self.bytes.len().next_multiple_of(4096);
        self.bytes.resize(offset, 0);
        self.bytes.extend_from_slice(content);
        let file = Attachment {
            name: name.to_owned(),
            offset: u32::try_from(offset).ok()?,
            length: u32::try_from(content.len()).ok()?,
        };
        self.files.push(file.clone());
        Some(file)
    }

    pub fn files(&self) -> &[Attachment] {
        &self.files
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_where_they_say() {
        let mut attachments = Attachments::default();
        attachments.add("a", b"one").unwrap();
        attachments.add("b", &[7; 5000]).unwrap();
        for file in attachments.files() {
            let range = file.offset as usize..(file.offset + file.length) as usize;
            let expected = if file.name == "a" { b"one".to_vec() } else { vec![7; 5000] };
            assert_eq!(attachments.bytes()[range], expected);
        }
    }
}
