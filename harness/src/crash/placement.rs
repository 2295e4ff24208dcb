//! Where the kernel lay while it ran: KASLR moves it with every boot, and only a panic says by how much.

/// What a log tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Where it was linked to.
    Linked,
    /// `by` bytes behind `from`, where it was linked to, and nowhere behind `last`: modules begin there.
    Moved { by: u64, from: u64, last: u64 },
}

impl Placement {
    /// dump_kernel_offset() of arch/x86/kernel/setup.c says one of `Kernel Offset: disabled` and `Kernel Offset:
    /// 0x2a000000 from 0xffffffff81000000 (relocation range: 0xffffffff80000000-0xffffffffbfffffff)`; a kernel
    /// that was started with `nokaslr` says so at its start.
    fn parse(body: &str) -> Option<Placement> {
        if let Some(words) =
            body.strip_prefix("Kernel command line: ").or(body.strip_prefix("Command line: "))
        {
            return words.split(' ').any(|word| word == "nokaslr").then_some(Placement::Linked);
        }
        let told = body.strip_prefix("Kernel Offset: ")?;
        if told == "disabled" {
            return Some(Placement::Linked);
        }
        let hexadecimal = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        let (by, rest) = told.split_once(" from ")?;
        let (from, range) = rest.split_once(' ').unwrap_or((rest, ""));
        // Other architectures tell no range.
        let last = range
            .rsplit_once('-')
            .map_or(Some(u64::MAX), |(_, last)| hexadecimal(last.trim_end_matches(')')));
        Some(Placement::Moved { by: hexadecimal(by)?, from: hexadecimal(from)?, last: last? })
    }
}

/// Gathers it line by line. Where a log shows several boots, or contradicts itself, it tells nothing.
#[derive(Debug, Default)]
pub(super) struct Told {
    started: bool,
    said: Option<Placement>,
    doubtful: bool,
}

impl Told {
    /// `complaints`: of the kernel's, before this line.
    pub fn take(&mut self, body: &str, complaints: u64) {
        if body.starts_with("Linux version ") {
            self.doubtful |= self.started || complaints > 0;
            self.started = true;
        }
        if let Some(placement) = Placement::parse(body) {
            self.doubtful |= self.said.replace(placement).is_some_and(|before| before != placement);
        }
    }

    pub fn placement(&self) -> Option<Placement> {
        self.said.filter(|_| !self.doubtful)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOVED: &str = "Kernel Offset: 0x2a000000 from 0xffffffff81000000 \
                         (relocation range: 0xffffffff80000000-0xffffffffbfffffff)";

    fn told(lines: &[&str]) -> Option<Placement> {
        let mut told = Told::default();
        lines.iter().for_each(|line| told.take(line, 0));
        told.placement()
    }

    #[test]
    fn every_form_of_it_is_read() {
        let moved = |last| Some(Placement::Moved { by: 0x2a00_0000, from: 0xffff_ffff_8100_0000, last });
        assert_eq!(told(&[MOVED]), moved(0xffff_ffff_bfff_ffff));
        assert_eq!(told(&["Kernel Offset: 0x2a000000 from 0xffffffff81000000"]), moved(u64::MAX));
        assert_eq!(told(&["Kernel Offset: disabled"]), Some(Placement::Linked));
        assert_eq!(told(&["Command line: console=ttyS0 nokaslr"]), Some(Placement::Linked));
        for silent in ["Command line: quiet nokaslrx", "Kernel Offset: 2a from 81", "Kernel Offset: ", ""] {
            assert_eq!(told(&[silent]), None, "{silent}");
        }
    }

    #[test]
    fn what_may_be_another_boots_tells_nothing() {
        let start = "Linux version 6.1.0";
        assert!(told(&[start, MOVED, MOVED]).is_some());
        assert_eq!(told(&[start, MOVED, start]), None);
        assert_eq!(told(&[MOVED, "Kernel Offset: disabled"]), None);
        let mut told = Told::default();
        told.take(start, 1);
        told.take(MOVED, 1);
        assert_eq!(told.placement(), None, "the complaint was the boot's before");
    }
}
