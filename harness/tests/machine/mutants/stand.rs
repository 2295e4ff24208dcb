//! A booted kernel whose mutant is chosen afterwards, in the memory that its clones start from: a boot for each mutant
//! would take twenty times as long as its case.

use crate::support::{cache, policy};
use gauntlet::kernel::KernelBuild;
use gauntlet::plan::PlannedCase;
use gauntlet::run::case::{CasePolicy, run_case};
use gauntlet::session::{Host, Session, SessionOptions};
use gauntlet_qemu::Machine;
use gauntlet_results::TestResult;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

/// A number of no mutant that nothing else in the memory of a booted machine looks like.
const MARK: u32 = 0xd1f3_6b95;

pub struct Stand {
    host: Arc<Host>,
    session: Session,
    memory: File,
    /// Where the mutant's number lies, and stale copies of it on a stack, which harm nobody.
    places: Vec<u64>,
}

impl Stand {
    /// Boots the kernel. `name` tells stands apart that are used at the same time.
    pub async fn boot(host: &Arc<Host>, kernel: &KernelBuild, options: SessionOptions, name: &str) -> Stand {
        let options = SessionOptions { append: format!("mutant={MARK} gauntlet.stand={name}"), ..options };
        let session = Session::prepare(host, kernel, &options).await;
        let session = session.unwrap_or_else(|failure| panic!("{name}: {failure}\n{}", failure.console));
        let path = cache().join("templates").join(format!("{}.ram", session.template_digest()));
        let memory = File::options().read(true).write(true).open(&path).unwrap();
        let places = places(&memory);
        assert!(!places.is_empty(), "{}: the kernel's mutant is not found", path.display());
        Stand { host: Arc::clone(host), session, memory, places }
    }

    /// From now on clones are this mutant; 0 is none.
    pub fn choose(&self, number: u32) {
        for place in &self.places {
            self.memory.write_all_at(&number.to_ne_bytes(), *place).unwrap();
        }
    }

    pub fn machine(&self) -> &Machine {
        &self.session.options.machine
    }

    pub async fn judge(&self, planned: &PlannedCase) -> TestResult {
        let policy = CasePolicy { retries: 2, ..policy(Duration::from_secs(8)) };
        run_case(&self.session, "mutants", planned, &policy).await
    }
}

impl Drop for Stand {
    /// Nobody else may find a template that was tampered with.
    fn drop(&mut self) {
        self.host.templates().remove(self.session.template_digest());
    }
}

/// Offsets of the mark in a RAM file.
fn places(memory: &File) -> Vec<u64> {
    const CHUNK: usize = 1 << 20;
    let length = memory.metadata().unwrap().len();
    let mut chunk = vec![0; CHUNK];
    let mut places = Vec::new();
    for start in (0..length).step_by(CHUNK) {
        let chunk = &mut chunk[..CHUNK.min((length - start) as usize)];
        memory.read_exact_at(chunk, start).unwrap();
        let words = chunk.chunks_exact(4).enumerate().filter(|(_, word)| *word == MARK.to_ne_bytes());
        places.extend(words.map(|(index, _)| start + 4 * index as u64));
    }
    places
}
