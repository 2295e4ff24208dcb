//! From a machine to QEMU's command line and the kernel's. Pure.

use crate::machine::{Accelerator, Machine};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

/// What the machine boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    pub kernel: PathBuf,
    /// Descriptor of the initial RAM disk (a memfd: it has no name).
    pub initrd: RawFd,
    /// The whole kernel command line; see [`kernel_command_line`].
    pub command_line: String,
}

/// A TCG plugin with its arguments, `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    pub library: PathBuf,
    pub arguments: Vec<String>,
}

/// The descriptors a QEMU inherits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wiring {
    pub qmp: RawFd,
    pub console: RawFd,
    pub agent: RawFd,
    pub region: RawFd,
}

/// How main RAM is backed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ram {
    /// Shared mapping of the file: what the guest writes is kept.
    Template(PathBuf),
    /// Private mapping of the file: copy-on-write; the machine waits for its device state.
    Clone(PathBuf),
}

/// QEMU's arguments, program name not included.
pub fn arguments(
    machine: &Machine,
    boot: &Boot,
    ram: &Ram,
    wiring: &Wiring,
    plugin: Option<&Plugin>,
) -> Vec<String> {
    let mut argv: Vec<String> = Vec::with_capacity(64);
    let mut push = |words: &[&str]| argv.extend(words.iter().map(|word| (*word).to_owned()));
    // vmport, USB and the like would only add devices to emulate, save and load.
    push(&[
        "-M",
        "pc,vmport=off,usb=off",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
    ]);
    push(&["-cpu", cpu_model(machine), "-smp", &machine.cpus.to_string()]);
    push(&["-m", &format!("{}M", machine.memory_mib + machine.region_mib)]);
    push(&accelerator(machine).iter().map(String::as_str).collect::<Vec<_>>());
    push(&[
        "-object",
        &main_memory(machine, ram),
        "-numa",
        &format!("node,memdev=main,cpus=0-{}", machine.cpus - 1),
    ]);
    push(&["-object", &region_memory(machine, wiring.region), "-numa", "node,memdev=region"]);
    push(&[
        "-chardev",
        &format!("file,id=console,path=/dev/fd/{}", wiring.console),
        "-serial",
        "chardev:console",
    ]);
    push(&["-chardev", &format!("socket,id=agent,fd={}", wiring.agent), "-serial", "chardev:agent"]);
    push(&["-chardev", &format!("socket,id=qmp,fd={}", wiring.qmp), "-mon", "chardev=qmp,mode=control"]);
    push(&["-device", "pvpanic", "-action", "panic=pause"]);
    push(&["-kernel", &text(&boot.kernel), "-initrd", &format!("/dev/fd/{}", boot.initrd)]);
    push(&["-append", &boot.command_line]);
    // Stopped at first: whoever starts it prepares the region before the guest can look.
    push(&["-S"]);
    if let Ram::Clone(_) = ram {
        push(&["-incoming", "defer"]);
    }
    if let Some(plugin) = plugin {
        let mut value = escape(&text(&plugin.library));
        for argument in &plugin.arguments {
            value.push(',');
            value.push_str(&escape(argument));
        }
        push(&["-plugin", &value]);
    }
    argv
}

/// The kernel's command line: what every machine of ours needs, then what the user appends.
///
/// `tsc_khz` is the true rate of the guest's TSC. Stating it keeps an emulated kernel from calibrating its
/// clocks against a starved timer, which on a loaded host may never end.
pub fn kernel_command_line(machine: &Machine, tsc_khz: Option<u64>, append: &str) -> Result<String, String> {
    let region = machine.region_address()?;
    // Init would wait for a fifth of a second while the kernel asks a mouse what kind it is.
    let mut line = String::from("console=ttyS0,115200 panic=-1 reboot=t no_timer_check i8042.noaux");
    match (machine.exact, machine.accelerator, tsc_khz) {
        // Virtual nanoseconds: the TSC of icount runs at exactly 1 GHz.
        (Some(_), ..) => line.push_str(" tsc=reliable tsc_early_khz=1000000"),
        (None, Accelerator::Tcg, Some(khz)) => line.push_str(&format!(" tsc=reliable tsc_early_khz={khz}")),
        (None, Accelerator::Tcg, None) | (None, Accelerator::Kvm, _) => {}
    }
    line.push_str(&format!(" memmap={}M${region:#x}", machine.region_mib));
    line.push_str(&format!(" gauntlet.region={region:#x},{}", u64::from(machine.region_mib) << 20));
    if !append.is_empty() {
        line.push(' ');
        line.push_str(append);
    }
    Ok(line)
}

fn cpu_model(machine: &Machine) -> &'static str {
    match machine.accelerator {
        // Five-level page tables only make the emulated page walk longer.
        Accelerator::Tcg => "max,la57=off",
        Accelerator::Kvm => "host",
    }
}

fn accelerator(machine: &Machine) -> Vec<String> {
    let words: Vec<String> = match (machine.accelerator, machine.exact) {
        (Accelerator::Kvm, _) => vec!["-accel".into(), "kvm".into()],
        (Accelerator::Tcg, None) => vec!["-accel".into(), "tcg".into()],
        // Each of these is needed: leave one out and two runs differ.
        (Accelerator::Tcg, Some(exact)) => vec![
            "-accel".into(),
            "tcg,thread=single".into(),
            "-icount".into(),
            format!("shift={},sleep=off", exact.shift),
            "-seed".into(),
            exact.seed.to_string(),
            "-rtc".into(),
            "base=2026-01-01,clock=vm".into(),
        ],
    };
    words
}

fn main_memory(machine: &Machine, ram: &Ram) -> String {
    let (path, share) = match ram {
        Ram::Template(path) => (path, "on"),
        Ram::Clone(path) => (path, "off"),
    };
    format!(
        "memory-backend-file,id=main,size={}M,mem-path={},share={share}",
        machine.memory_mib,
        escape(&text(path))
    )
}

fn region_memory(machine: &Machine, fd: RawFd) -> String {
    format!("memory-backend-file,id=region,size={}M,mem-path=/dev/fd/{fd},share=on", machine.region_mib)
}

/// QEMU's option syntax doubles commas.
fn escape(value: &str) -> String {
    value.replace(',', ",,")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Exact;

    const WIRING: Wiring = Wiring { qmp: 3, console: 4, agent: 5, region: 6 };

    fn boot() -> Boot {
        Boot { kernel: "/k/bz,Image".into(), initrd: 7, command_line: "console=ttyS0".to_owned() }
    }

    #[test]
    fn a_clone_differs_from_its_template_only_in_how_its_memory_starts() {
        let machine = Machine::default();
        let template = arguments(&machine, &boot(), &Ram::Template("/c/ram".into()), &WIRING, None);
        let clone = arguments(&machine, &boot(), &Ram::Clone("/c/ram".into()), &WIRING, None);
        let clone: Vec<String> =
            clone.into_iter().map(|word| word.replace("share=off", "share=on")).collect();
        let added: Vec<&String> = clone.iter().filter(|word| !template.contains(word)).collect();
        assert_eq!(added, ["-incoming", "defer"]);
    }

    #[test]
    fn exact_mode_fixes_every_source_of_chance() {
        let machine = Machine { exact: Some(Exact { seed: 7, shift: 3 }), ..Machine::default() };
        let line = arguments(&machine, &boot(), &Ram::Clone("/c/ram".into()), &WIRING, None).join(" ");
        assert!(line.contains(
            "-accel tcg,thread=single -icount shift=3,sleep=off -seed 7 -rtc base=2026-01-01,clock=vm"
        ));
    }

    #[test]
    fn commas_in_paths_survive_the_option_syntax() {
        let plugin = Plugin { library: "/a,b.so".into(), arguments: vec!["coverage=/dev/fd/9".into()] };
        let argv =
            arguments(&Machine::default(), &boot(), &Ram::Clone("/c,d".into()), &WIRING, Some(&plugin));
        assert!(argv.contains(&"/a,,b.so,coverage=/dev/fd/9".to_owned()));
        assert!(argv.iter().any(|word| word.contains("mem-path=/c,,d,share=off")));
    }

    #[test]
    fn the_command_line_names_the_region_and_states_the_true_clock() {
        let exact = Machine { exact: Some(Exact { seed: 1, shift: 0 }), ..Machine::default() };
        let line = kernel_command_line(&exact, Some(2_400_000), "debug").unwrap();
        assert!(line.contains("memmap=32M$0x10000000"));
        assert!(line.contains("tsc_early_khz=1000000"));
        assert!(line.ends_with(" debug"));
        let fast = kernel_command_line(&Machine::default(), Some(2_400_000), "").unwrap();
        assert!(fast.contains("tsc_early_khz=2400000"));
    }
}
