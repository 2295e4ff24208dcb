use super::*;
use crate::crash::{Splat, scan};
use std::process::Command;

const SOURCE: &str = "\
static volatile long sink;
static inline __attribute__((always_inline)) void lab_deep(long *from) {
    sink = *from;
}
__attribute__((noinline)) void lab_use(long *from) {
    lab_deep(from);
}
void lab_other(void) { sink = 1; }
__attribute__((section(\".init.text\"))) void lab_init(void) { sink = 2; }
";

/// A file with debugging information, compiled for the test, and the size of its `lab_use`.
fn compiled(folder: &Path, name: &str, flags: &[&str]) -> (std::path::PathBuf, u64) {
    std::fs::write(folder.join("lab.c"), SOURCE).unwrap();
    let path = folder.join(name);
    let status = Command::new("cc")
        .current_dir(folder)
        .args(["-g", "-O1", "-fno-pie", "-fno-inline-functions", "lab.c", "-o", name])
        .args(flags)
        .status()
        .unwrap();
    assert!(status.success());
    let cache = ReadCache::new(std::fs::File::open(&path).unwrap());
    let object = object::File::parse(&cache).unwrap();
    let size = object.symbols().find(|symbol| symbol.name() == Ok("lab_use")).unwrap().size();
    (path, size)
}

fn console(place: &str) -> String {
    format!(
        "[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000010\n\
         [    1.000001] RIP: 0010:{place}\n"
    )
}

/// The console's first splat, completed.
fn first(info: &DebugInfo, console: &str) -> Splat {
    let mut scan = read(console);
    info.complete(&mut scan);
    scan.splats.remove(0)
}

fn read(console: &str) -> Scan {
    let mut scanner = Scanner::default();
    scanner.push(console.as_bytes());
    scanner.finish()
}

fn completed(info: &DebugInfo, place: &str) -> Splat {
    first(info, &console(place))
}

fn place(splat: &Splat) -> Vec<String> {
    let source = &splat.at.as_ref().unwrap().source;
    let name = |file: &str| file.rsplit('/').next().unwrap_or_default().to_owned();
    source.iter().map(|one| format!("{} {}:{}", one.function, name(&one.file), one.line)).collect()
}

#[test]
fn a_linked_kernel_tells_file_line_and_what_was_inlined() {
    let folder = tempfile::tempdir().unwrap();
    let (path, size) = compiled(folder.path(), "vmlinux", &["-nostdlib", "-static", "-Wl,-e,lab_use"]);
    let mut info = DebugInfo::default();
    info.add(&path).unwrap();
    let splat = completed(&info, &format!("lab_use+0x0/{:#x}", size + 5));
    assert_eq!(place(&splat), ["lab_deep lab.c:3", "lab_use lab.c:6"]);
}

#[test]
fn a_module_is_known_by_its_file_and_told_apart_from_the_kernel() {
    let folder = tempfile::tempdir().unwrap();
    let (path, size) = compiled(folder.path(), "lab-module.ko", &["-c"]);
    let mut info = DebugInfo::default();
    info.add(&path).unwrap();
    let inside = completed(&info, &format!("lab_use+0x0/{size:#x} [lab_module]"));
    assert_eq!(place(&inside).last().map(String::as_str), Some("lab_use lab.c:6"));
    // The first function of another section begins at the same offset.
    let early = completed(&info, "lab_init+0x0/0x10 [lab_module]");
    assert_eq!(place(&early), ["lab_init lab.c:9"]);
    let outside = completed(&info, &format!("lab_use+0x0/{size:#x}"));
    assert!(place(&outside).is_empty());
}

#[test]
fn bare_addresses_get_their_names_and_the_title_its_function() {
    let map = "ffffffff81000000 T startup_64\nffffffff81000100 t memcpy\nffffffffc0206000 t lab_use\t[lab]\n\
               ffffffffc0206100 t lab_other\t[lab]\n";
    let info = DebugInfo::default().with_symbols(Symbols::parse(map));
    let bare = completed(&DebugInfo::default(), "0xffffffffc0206012");
    assert!(bare.corrupted && bare.frame.is_none());
    let splat = completed(&info, "0xffffffffc0206012");
    assert_eq!(splat.frame.as_deref(), Some("lab_use"));
    assert_eq!(splat.title, "BUG: unable to handle kernel NULL pointer dereference in lab_use");
    assert!(!splat.corrupted);
    let at = splat.at.unwrap();
    assert_eq!((at.offset, at.module.as_deref()), (0x12, Some("lab")));
}

/// Where KASLR put the kernel only a panic tells.
#[test]
fn an_address_of_a_kernel_that_moved_is_named_rightly_or_not_at_all() {
    let map = "ffffffff81000000 T _text\nffffffff81000100 T lab_use\nffffffff81f00000 T _etext\n";
    let info = DebugInfo::default().with_symbols(Symbols::parse(map));
    let oops = console("0xffffffffab000112");
    let offset = "[    1.000002] Kernel panic - not syncing: Fatal exception\n\
                  [    1.000003] Kernel Offset: 0x2a000000 from 0xffffffff81000000 \
                  (relocation range: 0xffffffff80000000-0xffffffffbfffffff)\n";
    assert_eq!(first(&info, &format!("{oops}{offset}")).frame.as_deref(), Some("lab_use"));
    assert!(info.annotate(&format!("{oops}{offset}")).contains("0xffffffffab000112 lab_use+0x12\n"));
    let unknown = first(&info, &oops);
    assert!(unknown.frame.is_none() && unknown.corrupted, "{unknown:?}");
    assert_eq!(info.annotate(&oops), oops);
    assert!(info.withholds_names(&read(&oops)) && !info.withholds_names(&read(&format!("{oops}{offset}"))));
    let unmoved = format!("{}[    1.000003] Kernel Offset: disabled\n", console("0xffffffff81000112"));
    assert_eq!(first(&info, &unmoved).frame.as_deref(), Some("lab_use"));
}

#[test]
fn a_console_is_annotated_within_its_splats_only() {
    let folder = tempfile::tempdir().unwrap();
    let (path, size) = compiled(folder.path(), "vmlinux", &["-nostdlib", "-static", "-Wl,-e,lab_use"]);
    let mut info = DebugInfo::default().with_symbols(Symbols::parse("ffffffff81000000 T lab_early\n"));
    info.add(&path).unwrap();
    let console = format!(
        "[    0.900000]  lab_use+0x1/{size:#x}\n\
         [    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000010\n\
         [    1.000001] RIP: 0010:lab_use+0x0/{size:#x}\n\
         [    1.000002] Call Trace:\n\
         [    1.000003]  ? lab_other+0x1/0x10\n\
         [    1.000004]  0xffffffff81000010\n\
         [    1.000005] Kernel Offset: disabled\n"
    );
    let annotated = info.annotate(&console).replace(&format!("{}/", folder.path().display()), "");
    let expected = format!(
        "[    0.900000]  lab_use+0x1/{size:#x}\n\
         [    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000010\n\
         [    1.000001] lab_deep lab.c:3 [inline]\n\
         [    1.000001] RIP: 0010:lab_use+0x0/{size:#x} lab.c:6\n\
         [    1.000002] Call Trace:\n\
         [    1.000003]  ? lab_other+0x1/0x10 lab.c:8\n\
         [    1.000004]  0xffffffff81000010 lab_early+0x10\n\
         [    1.000005] Kernel Offset: disabled\n"
    );
    assert_eq!(annotated, expected);
    let (plain, again) = (scan(console.as_bytes()), scan(annotated.as_bytes()));
    assert_eq!((&again[0].title, again[0].at.is_some()), (&plain[0].title, true));
    assert_eq!(DebugInfo::default().annotate(&console), console);
}

#[test]
fn what_is_neither_is_refused_with_words() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "not a kernel").unwrap();
    let error = DebugInfo::default().add(file.path()).unwrap_err();
    assert!(error.to_string().contains("System.map"), "{error}");
}

#[test]
fn paths_are_the_trees_own() {
    assert_eq!(tidy("/build/linux-6.1/drivers/net/tun.c"), "drivers/net/tun.c");
    assert_eq!(tidy("./mm/slub.c"), "mm/slub.c");
    assert_eq!(tidy("/tmp/out/../source/mm/slub.c"), "source/mm/slub.c");
}
