//! QEMU's plugin interface, at whichever level the QEMU at hand speaks.
//!
//! QEMU reads our `qemu_plugin_version` after `dlopen` and refuses it unless it lies between its minimum and
//! its own level: 6.0–8.2 accept 0–1, 9.0 accepts only 2, later ones 2 and up (plugins/plugin.h,
//! `QEMU_PLUGIN_MIN_VERSION`). No single number suits all, but a constructor runs *before* QEMU reads it:
//! [`SET_LEVEL`] looks at what QEMU exports and stores the level that those functions belong to.
//!
//! Two things we use changed: inline operations took an address at level 1 and take a per-vCPU scoreboard
//! since level 2; an instruction's bytes came as a pointer before level 3 and are copied since.

use qemu_plugin_sys::{
    qemu_plugin_cb_flags, qemu_plugin_insn, qemu_plugin_op, qemu_plugin_tb, qemu_plugin_vcpu_tb_trans_cb_t,
    qemu_plugin_vcpu_udata_cb_t,
};
use std::ffi::{CStr, c_int, c_uint, c_void};
use std::sync::atomic::{AtomicI32, Ordering};

/// The level we claim; QEMU reads it as a C `int`. Zero until [`SET_LEVEL`] ran.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "QEMU looks for this very name")]
pub static qemu_plugin_version: AtomicI32 = AtomicI32::new(0);

/// Runs when the dynamic loader has mapped us.
#[used]
#[unsafe(link_section = ".init_array")]
static SET_LEVEL: extern "C" fn() = {
    extern "C" fn set_level() {
        let level = level(|name| !symbol(name).is_null()).unwrap_or(0);
        qemu_plugin_version.store(level, Ordering::Relaxed);
    }
    set_level
};

/// For each level, newest first, a function that appeared with it.
/// Source: QEMU include/qemu/qemu-plugin.h, the history above `QEMU_PLUGIN_VERSION`.
const FIRST_SEEN: [(i32, &CStr); 5] = [
    (5, c"qemu_plugin_translate_vaddr"),
    (4, c"qemu_plugin_read_memory_vaddr"),
    (3, c"qemu_plugin_register_vcpu_tb_exec_cond_cb"),
    (2, c"qemu_plugin_scoreboard_new"),
    (1, c"qemu_plugin_register_vcpu_tb_exec_inline"),
];

/// The highest level whose functions are exported, up to the highest we know; later QEMUs accept it.
fn level(exported: impl Fn(&CStr) -> bool) -> Option<i32> {
    FIRST_SEEN.iter().find(|(_, name)| exported(name)).map(|(level, _)| *level)
}

fn symbol(name: &CStr) -> *mut c_void {
    // SAFETY: the name ends with a zero byte; looking up touches nothing.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

type RegisterTranslation = unsafe extern "C" fn(u64, qemu_plugin_vcpu_tb_trans_cb_t);
type InlineAtAddress = unsafe extern "C" fn(*mut qemu_plugin_tb, qemu_plugin_op, *mut c_void, u64);
type InlinePerVcpu = unsafe extern "C" fn(*mut qemu_plugin_tb, qemu_plugin_op, Entry, u64);
type NewScoreboard = unsafe extern "C" fn(usize) -> *mut c_void;
type FindInScoreboard = unsafe extern "C" fn(*mut c_void, c_uint) -> *mut c_void;
type RegisterInstruction = unsafe extern "C" fn(
    *mut qemu_plugin_insn,
    qemu_plugin_vcpu_udata_cb_t,
    qemu_plugin_cb_flags,
    *mut c_void,
);
type BlockAddress = unsafe extern "C" fn(*const qemu_plugin_tb) -> u64;
type BlockLength = unsafe extern "C" fn(*const qemu_plugin_tb) -> usize;
type GetInstruction = unsafe extern "C" fn(*const qemu_plugin_tb, usize) -> *mut qemu_plugin_insn;
type InstructionSize = unsafe extern "C" fn(*const qemu_plugin_insn) -> usize;
type BytesByPointer = unsafe extern "C" fn(*const qemu_plugin_insn) -> *const c_void;
type BytesByCopy = unsafe extern "C" fn(*const qemu_plugin_insn, *mut c_void, usize) -> usize;

/// `qemu_plugin_u64` of level 2 and up.
#[repr(C)]
#[derive(Clone, Copy)]
struct Entry {
    score: *mut c_void,
    offset: usize,
}

#[derive(Clone, Copy)]
enum Bytes {
    Pointer(BytesByPointer),
    Copy(BytesByCopy),
}

/// Where the inline counters are.
enum Counters {
    /// One array for all vCPUs.
    Shared { add: InlineAtAddress, base: *mut u64 },
    /// One array per vCPU, which QEMU may move when a vCPU is added.
    PerVcpu { add: InlinePerVcpu, find: FindInScoreboard, scoreboard: *mut c_void },
}

/// The functions of the QEMU that loaded us, and the counters they count in.
pub struct Interface {
    pub level: c_int,
    register_translation: RegisterTranslation,
    register_instruction: RegisterInstruction,
    block_address: BlockAddress,
    block_length: BlockLength,
    instruction: GetInstruction,
    instruction_size: InstructionSize,
    bytes: Bytes,
    counters: Counters,
}

// SAFETY: the pointers are to functions, to a leaked array, and to a scoreboard that QEMU locks itself.
unsafe impl Send for Interface {}
// SAFETY: as above.
unsafe impl Sync for Interface {}

/// Looks a function up as the given type, or returns the name of the missing one.
macro_rules! function {
    ($name:literal as $type:ty) => {{
        let found = symbol($name);
        if found.is_null() {
            return Err($name.to_string_lossy().into_owned());
        }
        // SAFETY: QEMU's header declares a function of this name with this signature at this level.
        unsafe { std::mem::transmute::<*mut c_void, $type>(found) }
    }};
}

impl Interface {
    /// Finds everything, with `capacity` counters.
    ///
    /// # Errors
    /// The name of a function that this QEMU does not export.
    pub fn find(capacity: usize) -> Result<Interface, String> {
        let level = qemu_plugin_version.load(Ordering::Relaxed);
        Ok(Interface {
            level,
            register_translation: function!(c"qemu_plugin_register_vcpu_tb_trans_cb" as RegisterTranslation),
            register_instruction: function!(c"qemu_plugin_register_vcpu_insn_exec_cb" as RegisterInstruction),
            block_address: function!(c"qemu_plugin_tb_vaddr" as BlockAddress),
            block_length: function!(c"qemu_plugin_tb_n_insns" as BlockLength),
            instruction: function!(c"qemu_plugin_tb_get_insn" as GetInstruction),
            instruction_size: function!(c"qemu_plugin_insn_size" as InstructionSize),
            bytes: if level >= 3 {
                Bytes::Copy(function!(c"qemu_plugin_insn_data" as BytesByCopy))
            } else {
                Bytes::Pointer(function!(c"qemu_plugin_insn_data" as BytesByPointer))
            },
            counters: if level >= 2 { Counters::per_vcpu(capacity)? } else { Counters::shared(capacity)? },
        })
    }

    /// Asks QEMU to show us every block it translates.
    pub fn on_translation(&self, plugin: u64, callback: qemu_plugin_vcpu_tb_trans_cb_t) {
        // SAFETY: called during install, with the identity QEMU gave us.
        unsafe { (self.register_translation)(plugin, callback) }
    }

    /// Address and number of instructions of a block being translated.
    ///
    /// # Safety
    /// `block` is the one that QEMU's translation callback was given, during that callback.
    pub unsafe fn block(&self, block: *mut qemu_plugin_tb) -> (u64, usize) {
        // SAFETY: forwarded to the caller.
        unsafe { ((self.block_address)(block), (self.block_length)(block)) }
    }

    /// Adds 1 to a counter at each execution of the block.
    ///
    /// # Safety
    /// As for [`Interface::block`]; `counter` is below the capacity.
    pub unsafe fn count(&self, block: *mut qemu_plugin_tb, counter: usize) {
        let operation = qemu_plugin_op::QEMU_PLUGIN_INLINE_ADD_U64;
        match self.counters {
            // SAFETY: forwarded to the caller; the array lives as long as the process.
            Counters::Shared { add, base } => unsafe { add(block, operation, base.add(counter).cast(), 1) },
            Counters::PerVcpu { add, scoreboard, .. } => {
                let entry = Entry { score: scoreboard, offset: counter * size_of::<u64>() };
                // SAFETY: forwarded to the caller.
                unsafe { add(block, operation, entry, 1) }
            }
        }
    }

    /// The first `length` counters of a vCPU; valid until that vCPU runs on.
    ///
    /// # Safety
    /// Called on that vCPU's thread; `length` is at most the capacity.
    pub unsafe fn counters(&self, vcpu: c_uint, length: usize) -> *mut [u64] {
        let base = match self.counters {
            Counters::Shared { base, .. } => base,
            // SAFETY: a vCPU that executes has its part of the scoreboard.
            Counters::PerVcpu { find, scoreboard, .. } => unsafe { find(scoreboard, vcpu).cast() },
        };
        std::ptr::slice_from_raw_parts_mut(base, length)
    }

    /// The instruction's bytes into `into`; `None` when it has another length.
    ///
    /// # Safety
    /// As for [`Interface::block`]; `index` is below the block's number of instructions.
    pub unsafe fn bytes<'a>(
        &self,
        block: *mut qemu_plugin_tb,
        index: usize,
        into: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        // SAFETY: forwarded to the caller.
        let instruction = unsafe { (self.instruction)(block, index) };
        // SAFETY: QEMU has just given us the instruction.
        if unsafe { (self.instruction_size)(instruction) } != into.len() {
            return None;
        }
        match self.bytes {
            // SAFETY: level 1 and 2 return a pointer to as many bytes as the instruction has.
            Bytes::Pointer(data) => unsafe {
                data(instruction).cast::<u8>().copy_to_nonoverlapping(into.as_mut_ptr(), into.len());
            },
            // SAFETY: level 3 and up copy at most as many bytes as said.
            Bytes::Copy(data) => unsafe {
                data(instruction, into.as_mut_ptr().cast(), into.len());
            },
        }
        Some(into)
    }

    /// Calls back each time the instruction is about to execute.
    ///
    /// # Safety
    /// As for [`Interface::bytes`]; the callback must accept `data`.
    pub unsafe fn on_execution(
        &self,
        block: *mut qemu_plugin_tb,
        index: usize,
        callback: qemu_plugin_vcpu_udata_cb_t,
        data: *mut c_void,
    ) {
        // SAFETY: forwarded to the caller.
        unsafe {
            let instruction = (self.instruction)(block, index);
            let flags = qemu_plugin_cb_flags::QEMU_PLUGIN_CB_NO_REGS;
            (self.register_instruction)(instruction, callback, flags, data);
        }
    }
}

impl Counters {
    fn shared(capacity: usize) -> Result<Counters, String> {
        let add = function!(c"qemu_plugin_register_vcpu_tb_exec_inline" as InlineAtAddress);
        Ok(Counters::Shared { add, base: Vec::leak(vec![0u64; capacity]).as_mut_ptr() })
    }

    fn per_vcpu(capacity: usize) -> Result<Counters, String> {
        let new = function!(c"qemu_plugin_scoreboard_new" as NewScoreboard);
        Ok(Counters::PerVcpu {
            add: function!(c"qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu" as InlinePerVcpu),
            find: function!(c"qemu_plugin_scoreboard_find" as FindInScoreboard),
            // SAFETY: called during install, as the interface demands.
            scoreboard: unsafe { new(capacity * size_of::<u64>()) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What QEMUs export, of what we look at.
    fn exports_of(release: &str) -> &'static [&'static CStr] {
        let all = &[
            c"qemu_plugin_scoreboard_new",
            c"qemu_plugin_register_vcpu_tb_exec_cond_cb",
            c"qemu_plugin_read_memory_vaddr",
            c"qemu_plugin_translate_vaddr",
        ];
        match release {
            "7.2" => &[c"qemu_plugin_register_vcpu_tb_exec_inline"],
            "9.0" => &all[..1],
            "9.1" => &all[..2],
            "9.2" => &all[..3],
            "10.1" => &all[..],
            _ => &[],
        }
    }

    #[test]
    fn each_qemu_gets_the_level_it_speaks() {
        let level_of = |release| level(|name| exports_of(release).contains(&name));
        for (release, expected) in [("7.2", 1), ("9.0", 2), ("9.1", 3), ("9.2", 4), ("10.1", 5)] {
            assert_eq!(level_of(release), Some(expected), "QEMU {release}");
        }
        assert_eq!(level_of("a QEMU built without plugins"), None);
    }

    #[test]
    fn outside_qemu_a_missing_function_is_named() {
        let missing = Interface::find(1).err();
        assert_eq!(missing.as_deref(), Some("qemu_plugin_register_vcpu_tb_trans_cb"));
    }

    #[test]
    fn the_constructor_ran_and_found_no_qemu() {
        assert_eq!(qemu_plugin_version.load(Ordering::Relaxed), 0);
    }
}
