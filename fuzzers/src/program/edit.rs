//! Changes that keep a program sound.

use gauntlet_protocol::program::MAX_CALLS;

use super::{Call, Program};

impl Program {
    /// Inserts a call whose references are already those of its new place. Nothing happens in a full program.
    pub fn insert(&mut self, at: usize, call: Call) {
        if self.calls.len() >= MAX_CALLS {
            return;
        }
        for later in &mut self.calls[at..] {
            later.visit_references(&mut |reference| {
                let target = reference.target().map(|target| if target >= at { target + 1 } else { target });
                reference.point_to(target);
            });
        }
        self.calls.insert(at, call);
    }

    /// Removes a call. Who used its result gets the nearest other of the same use, or an invalid descriptor.
    pub fn remove(&mut self, at: usize) {
        let removed = self.calls.remove(at);
        for index in at..self.calls.len() {
            // The call is taken out while it is changed, so that the program can be asked for givers.
            let mut call = self.calls[index].clone();
            call.visit_references(&mut |reference| {
                let target = match reference.target() {
                    Some(target) if target == at => {
                        self.givers(index, reference.wanted()).into_iter().next_back()
                    }
                    Some(target) if target > at => Some(target - 1),
                    kept => kept,
                };
                reference.point_to(target);
            });
            self.calls[index] = call;
        }
        drop(removed);
    }

    /// Appends the calls of another program, as many as there is room for.
    pub fn append(&mut self, other: &Program) {
        let shift = self.calls.len();
        for call in other.calls.iter().take(MAX_CALLS.saturating_sub(shift)) {
            let mut call = call.clone();
            call.visit_references(&mut |reference| {
                let target = reference.target().map(|target| target + shift);
                reference.point_to(target);
            });
            self.calls.push(call);
        }
    }

    /// Keeps the first `length` calls.
    pub fn truncate(&mut self, length: usize) {
        self.calls.truncate(length);
    }
}
