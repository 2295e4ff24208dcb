//! The life of the agent: bring the system up, say hello, answer requests one after another.

use std::process::ExitCode;

mod answer;
mod archive;
mod boot;
mod disk;
mod exec;
mod fuzz;
mod hostfs;
mod link;
mod measure;
mod modules;
mod region;
mod root;
mod serial;
mod standby;
mod supervise;
mod symbols;
mod writable;

/// Runs until the machine ends. PID 1 must not return: the kernel would panic.
pub fn run() -> ExitCode {
    let parameters = boot::bring_up();
    let mut link = link::Link::open(&parameters);
    let mut standby = None;
    if let Some(nonce) = parameters.after_kexec {
        answer::second_kernel(&mut link, nonce);
    } else {
        // What keeps it from starting will be said to the first case.
        standby = standby::Standby::start().ok();
        boot::settle();
        link.say_hello(&boot::hello(link.is_region()));
    }
    loop {
        let request = link.next_request();
        let response = answer::answer(request, &parameters, &mut link, &mut standby);
        link.respond(&response);
    }
}
