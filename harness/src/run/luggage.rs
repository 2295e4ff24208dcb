//! What travels with a case or a command: files, and modules of the kernel's.

use crate::kernel::modules::ModuleFile;
use crate::session::{Attachments, Failure};
use gauntlet_protocol::Attachment;

#[derive(Debug, Default)]
pub(super) struct Luggage {
    pub attachments: Attachments,
    /// In the order in which they are to be loaded, each once.
    pub modules: Vec<Attachment>,
}

impl Luggage {
    pub fn add(&mut self, name: &str, content: &[u8]) -> Result<Attachment, Failure> {
        let added = self.attachments.add(name, content);
        added.ok_or_else(|| Failure::infra(format!("{name} is too large to travel into a guest")))
    }

    pub fn add_modules(&mut self, modules: &[ModuleFile]) -> Result<(), Failure> {
        for module in modules {
            if !self.modules.iter().any(|one| one.name == module.name) {
                let added = self.add(&module.name, &module.content)?;
                self.modules.push(added);
            }
        }
        Ok(())
    }
}
