//! Where frames are in the source, by what a build leaves behind: System.map or kallsyms for names, vmlinux and
//! modules with debugging information for files and lines.
//!
//! The one part of this module that reads files.

mod placed;

use super::frame::without_suffix;
use super::line::records;
use super::{Frame, Placement, Scan, Scanner, Source, Symbols};
use addr2line::Loader;
use anyhow::{Context, Result, anyhow, bail};
use object::read::ReadCache;
use object::{Object, ObjectKind, ObjectSymbol, SymbolKind};
use std::collections::HashMap;
use std::path::Path;

/// Calls inlined into each other are told up to this depth.
const MAX_INLINED: usize = 16;

/// What is known of one kernel's code. Reading it takes time, looking a frame up hardly any.
#[derive(Default)]
pub struct DebugInfo {
    symbols: Symbols,
    kernel: Option<Code>,
    /// By name, with `_` for `-`.
    modules: HashMap<String, Code>,
}

/// A function's symbol in a file.
#[derive(Debug)]
struct Function {
    symbol: String,
    address: u64,
    size: u64,
}

/// One file of code.
struct Code {
    /// By name, without the suffixes of compilers: several static functions may share one.
    functions: HashMap<String, Vec<Function>>,
    loader: Loader,
}

impl std::fmt::Debug for DebugInfo {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let modules: Vec<&String> = self.modules.keys().collect();
        formatter.debug_struct("DebugInfo").field("modules", &modules).finish_non_exhaustive()
    }
}

impl DebugInfo {
    /// Takes a file for what it is: vmlinux, a module (`NAME.ko`, `NAME.ko.debug`), or a System.map.
    ///
    /// # Errors
    /// When the file cannot be read or is none of these.
    pub fn add(&mut self, path: &Path) -> Result<()> {
        let cache = ReadCache::new(std::fs::File::open(path)?);
        let Ok(object) = object::File::parse(&cache) else { return self.add_text(path) };
        if object.kind() != ObjectKind::Relocatable {
            self.kernel = Some(Code::read(path)?);
            return Ok(());
        }
        let name = module_name(path).context("an object file, but its name tells no module (NAME.ko)")?;
        let placed = tempfile::NamedTempFile::new()?;
        std::fs::write(placed.path(), placed::placed(std::fs::read(path)?)?)?;
        self.modules.insert(name, Code::read(placed.path())?);
        Ok(())
    }

    fn add_text(&mut self, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path).context("neither an ELF file nor a System.map")?;
        let symbols = Symbols::parse(&text);
        if symbols.is_empty() {
            bail!("neither an ELF file nor a System.map with addresses");
        }
        self.symbols = symbols;
        Ok(())
    }

    /// Takes names for bare addresses from these symbols.
    #[must_use]
    pub fn with_symbols(mut self, symbols: Symbols) -> DebugInfo {
        self.symbols = symbols;
        self
    }

    /// Completes a log's splats: names for bare addresses, and files and lines as far as they are known.
    pub fn complete(&self, scan: &mut Scan) {
        for splat in &mut scan.splats {
            if let Some(at) = &mut splat.at {
                self.complete_frame(at, 0, scan.placement);
            }
            // A stack holds return addresses: the call is just before.
            splat.stack.iter_mut().for_each(|frame| self.complete_frame(frame, 1, scan.placement));
            splat.find_guilty_again();
        }
    }

    /// The console with files and lines behind the frames of its splats, and before each frame what was inlined
    /// there: the form that `scripts/decode_stacktrace.sh` and syzbot made known.
    pub fn annotate(&self, console: &str) -> String {
        if self.is_empty() {
            return console.to_owned();
        }
        let mut scanner = Scanner::default();
        scanner.push(console.as_bytes());
        let Scan { splats, placement, .. } = scanner.finish();
        let mut text = String::with_capacity(console.len());
        let mut position = 0;
        for line in console.split_inclusive('\n') {
            let inside = splats.iter().any(|splat| splat.range.contains(&position));
            position += line.len() as u64;
            match inside.then(|| self.annotated(line, placement)).flatten() {
                Some(annotated) => text += &annotated,
                None => text += line,
            }
        }
        text
    }

    /// Whether addresses stay without names that these symbols have, because the log does not say where the kernel lay.
    pub fn withholds_names(&self, scan: &Scan) -> bool {
        let mut frames = scan.splats.iter().flat_map(|splat| splat.at.iter().chain(&splat.stack));
        let unknown = scan.placement.is_none() && self.symbols.are_as_linked();
        unknown && frames.any(|frame| frame.bare_address().is_some())
    }

    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty() && self.kernel.is_none() && self.modules.is_empty()
    }

    fn annotated(&self, line: &str, placement: Option<Placement>) -> Option<String> {
        let content = line.trim_end_matches(['\n', '\r']);
        let body = records(content).last()?.body;
        let (mut frame, back) = match Frame::parse(body) {
            Some(frame) => (frame, 1),
            None => (Frame::parse(body.strip_prefix("RIP: 0010:")?)?, 0),
        };
        let address = frame.bare_address();
        self.complete_frame(&mut frame, back, placement);
        let head = content.strip_suffix(body).unwrap_or_default();
        let (last, inlined) = match frame.source.split_last() {
            Some((last, inlined)) => (format!(" {}:{}", last.file, last.line), inlined),
            None => (String::new(), [].as_slice()),
        };
        let mut text = String::new();
        for one in inlined {
            text += &format!("{head}{} {}:{} [inline]\n", one.function, one.file, one.line);
        }
        let name = match address.filter(|_| frame.bare_address().is_none()) {
            Some(_) => format!(" {}+{:#x}", frame.symbol, frame.offset),
            None => String::new(),
        };
        Some(format!("{text}{content}{name}{last}{}", &line[content.len()..]))
    }

    fn complete_frame(&self, frame: &mut Frame, back: u64, placement: Option<Placement>) {
        if let Some(address) = frame.bare_address()
            && let Some((symbol, offset, module)) = self.symbols.lookup_told(address, placement)
        {
            frame.name(symbol, offset);
            frame.module = module.map(str::to_owned);
        }
        let code = match &frame.module {
            Some(module) => self.modules.get(&module.replace('-', "_")),
            None => self.kernel.as_ref(),
        };
        if let Some(code) = code.filter(|_| frame.source.is_empty()) {
            frame.source = code.source(frame, back);
        }
    }
}

impl Code {
    fn read(path: &Path) -> Result<Code> {
        let cache = ReadCache::new(std::fs::File::open(path)?);
        let functions = functions(&object::File::parse(&cache)?);
        let loader = Loader::new(path).map_err(|error| anyhow!("its debugging information: {error}"))?;
        Ok(Code { functions, loader })
    }

    fn source(&self, frame: &Frame, back: u64) -> Vec<Source> {
        let Some(function) = self.function(frame) else { return Vec::new() };
        let address = function.address + frame.offset.saturating_sub(back);
        let Ok(mut found) = self.loader.find_frames(address) else { return Vec::new() };
        let mut source = Vec::new();
        while let (Ok(Some(one)), true) = (found.next(), source.len() < MAX_INLINED) {
            let Some(location) = one.location else { continue };
            let (Some(file), Some(line)) = (location.file, location.line) else { continue };
            let name = one.function.and_then(|name| Some(name.raw_name().ok()?.into_owned()));
            let function = name.unwrap_or_else(|| frame.function.clone());
            source.push(Source { function, file: tidy(file), line });
        }
        source
    }

    /// The symbol a frame means: by its whole name, else the one whose size is the nearest below (the kernel counts
    /// up to the next symbol, padding included).
    fn function(&self, frame: &Frame) -> Option<&Function> {
        let candidates = self.functions.get(&frame.function)?;
        let padding = |one: &Function| match frame.size {
            0 => 0,
            size => size.checked_sub(one.size).unwrap_or(u64::MAX),
        };
        candidates
            .iter()
            .filter(|one| frame.offset <= one.size.max(frame.size))
            .min_by_key(|one| (one.symbol != frame.symbol, padding(one)))
    }
}

fn functions<'data>(object: &impl Object<'data>) -> HashMap<String, Vec<Function>> {
    let mut functions: HashMap<String, Vec<Function>> = HashMap::new();
    for symbol in object.symbols() {
        // Code written in assembler is often without a type.
        let code = matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Label | SymbolKind::Unknown);
        if let Ok(name) = symbol.name()
            && code
            && symbol.is_definition()
        {
            let function =
                Function { symbol: name.to_owned(), address: symbol.address(), size: symbol.size() };
            functions.entry(without_suffix(name).to_owned()).or_default().push(function);
        }
    }
    functions
}

/// `nf_tables` of `nf-tables.ko.debug`.
fn module_name(path: &Path) -> Option<String> {
    let (name, _) = path.file_name()?.to_str()?.split_once(".ko")?;
    Some(name.replace('-', "_"))
}

/// A path as it is in the kernel's tree, where the build's own folder can be told.
fn tidy(file: &str) -> String {
    const ROOMS: [&str; 20] = [
        "/arch/",
        "/block/",
        "/certs/",
        "/crypto/",
        "/drivers/",
        "/fs/",
        "/include/",
        "/init/",
        "/io_uring/",
        "/ipc/",
        "/kernel/",
        "/lib/",
        "/mm/",
        "/net/",
        "/rust/",
        "/samples/",
        "/security/",
        "/sound/",
        "/tools/",
        "/virt/",
    ];
    // A build in a folder beside the tree leaves `BUILD/../source/mm/slub.c` behind.
    let file = file.rsplit_once("/../").map_or(file, |(_, rest)| rest);
    if !file.starts_with('/') {
        return file.trim_start_matches("./").to_owned();
    }
    // The tree's own rooms nest (`drivers/net/`): the leftmost one after what looks like a tree's name counts.
    let linux = file.find("/linux").map_or(0, |at| at + 1);
    let start = ROOMS.iter().filter_map(|room| file[linux..].find(room)).min();
    start.map_or(file, |start| &file[linux + start + 1..]).to_owned()
}

#[cfg(test)]
mod tests;
