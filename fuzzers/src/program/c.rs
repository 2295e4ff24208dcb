//! A program as one C file that needs nothing but a compiler: what goes into a bug report.

use std::fmt::Write;

use gauntlet_protocol::program::{
    ARENA_ADDRESS, ARENA_SIZE, Argument, PSEUDO_SYSRQ, Tier, WINDOW_OFFSET, WINDOW_SIZE,
};

use super::Program;
use super::encode::Sink;

const HEAD: &str = r#"#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

"#;

/// C source of a program. `title` is what it makes the kernel say; it stands in the first comment.
pub fn c_source(program: &Program, title: &str) -> String {
    let mut body = Body { program, text: String::new(), slots: false };
    program.emit(&mut body);
    let mut out = String::new();
    let comment = title.replace("*/", "* /");
    let listing = program.to_string().replace("*/", "* /");
    let lines: String = listing.lines().fold(String::new(), |all, line| all + " *   " + line + "\n");
    put(
        &mut out,
        format_args!(
            "/* {comment}\n *\n{lines} *\n * Build: cc -Wall -o program program.c; run as root.\n */\n"
        ),
    );
    out.push_str(HEAD);
    put(
        &mut out,
        format_args!(
            "#define ARENA {ARENA_ADDRESS:#x}UL\n#define ARENA_SIZE {ARENA_SIZE:#x}UL\n#define WINDOW {WINDOW_OFFSET:#x}UL\n#define WINDOW_SIZE {WINDOW_SIZE:#x}UL\n\n"
        ),
    );
    if body.slots {
        put(&mut out, format_args!("static int result[{}];\n\n", program.calls.len()));
    }
    put(&mut out, format_args!("static void run(void)\n{{\n{}}}\n\n", body.text));
    out.push_str(&main(program.tier()));
    out
}

fn main(tier: Tier) -> String {
    let start = match tier {
        Tier::InProcess => "\trun();\n",
        Tier::Task | Tier::Process => {
            "\tint status;\n\tif (fork() == 0) {\n\t\talarm(5);\n\t\trun();\n\t\t_exit(0);\n\t}\n\twait(&status);\n"
        }
    };
    format!(
        "int main(void)\n{{\n\tchar directory[] = \"/tmp/program-XXXXXX\";\n\
         \tif (!mkdtemp(directory) || chdir(directory))\n\t\tperror(\"directory\");\n\
         \tmmap((void *)ARENA, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);\n\
         \tmmap((void *)(ARENA + WINDOW), WINDOW_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);\n\
         {start}\treturn 0;\n}}\n"
    )
}

struct Body<'a> {
    program: &'a Program,
    text: String,
    slots: bool,
}

/// Writing to a string cannot fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

impl Body<'_> {
    fn sysrq(&mut self, arguments: &[Argument]) {
        let letter = match arguments.first() {
            Some(Argument::Number(letter)) => *letter as u8,
            _ => 0,
        };
        put(
            &mut self.text,
            format_args!(
                "\t{{\n\t\tint fd = open(\"/proc/sysrq-trigger\", O_WRONLY);\n\t\tchar letter = {letter:#x};\n\t\tif (write(fd, &letter, 1) != 1)\n\t\t\tperror(\"sysrq\");\n\t}}\n"
            ),
        );
    }
}

impl Sink for Body<'_> {
    fn data(&mut self, offset: u32, bytes: &[u8]) {
        let literal: String = bytes.iter().fold(String::new(), |all, byte| all + &format!("\\x{byte:02x}"));
        put(
            &mut self.text,
            format_args!("\tmemcpy((void *)(ARENA + {offset:#x}), \"{literal}\", {});\n", bytes.len()),
        );
    }

    fn result(&mut self, offset: u32, slot: u8) {
        self.slots = true;
        put(&mut self.text, format_args!("\t*(int *)(ARENA + {offset:#x}) = result[{slot}];\n"));
    }

    fn address(&mut self, offset: u32, target: u32) {
        put(&mut self.text, format_args!("\t*(uint64_t *)(ARENA + {offset:#x}) = ARENA + {target:#x};\n"));
    }

    fn call(&mut self, index: usize, arguments: &[Argument]) {
        let description = self.program.calls[index].description;
        if description.number == PSEUDO_SYSRQ {
            return self.sysrq(arguments);
        }
        let mut list = String::new();
        for argument in arguments {
            match argument {
                Argument::Number(number) => put(&mut list, format_args!(", {number:#x}UL")),
                Argument::Pointer(offset) => put(&mut list, format_args!(", ARENA + {offset:#x}")),
                Argument::Slot { slot, .. } => {
                    self.slots = true;
                    put(&mut list, format_args!(", result[{slot}]"));
                }
            }
        }
        // A result nobody reads would be a warning: it is kept only where a later call may use it.
        let keep = description.result.is_some();
        let left = if keep { format!("result[{index}] = ") } else { String::new() };
        self.slots |= keep;
        let stem = description.name.split('$').next().unwrap_or(description.name);
        put(&mut self.text, format_args!("\t{left}syscall({}{list}); /* {stem} */\n", description.number));
    }
}
