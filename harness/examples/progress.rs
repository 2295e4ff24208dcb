//! Plays a made-up run through the display, to look at it: `cargo run --example progress [plain]`.

use gauntlet::ui::{Display, Progress};
use gauntlet_results::{Event, KernelInfo, TestResult, Verdict};
use std::time::Duration;

const KERNELS: [&str; 3] = ["6.1.0-56-cloud-amd64", "6.12.117+deb13-cloud-amd64", "6.1.0-56-rt-amd64"];

fn main() {
    let progress =
        if std::env::args().any(|word| word == "plain") { Progress::Lines } else { Progress::Bars };
    let display = Display::start(progress);
    for kernel in KERNELS {
        display.event(&Event::Planned { kernel: kernel.to_owned(), cases: 30 });
    }
    for kernel in &KERNELS[..2] {
        std::thread::sleep(Duration::from_millis(500));
        display.event(&ready(kernel));
    }
    display.event(&Event::KernelFailed {
        kernel: KERNELS[2].to_owned(),
        verdict: Verdict::Infra,
        reason: "no space left on the device that holds the cache".to_owned(),
        console: String::new(),
    });
    for step in 0..31 {
        for kernel in &KERNELS[..2] {
            if step < 30 {
                display.event(&Event::CaseStarted { kernel: (*kernel).to_owned(), case: case(step) });
            }
            if step > 0 {
                display.event(&Event::CaseFinished(result(kernel, step - 1)));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    display.finish();
}

fn case(step: usize) -> String {
    format!("memfd/sealed_write_is_refused_{step}")
}

fn ready(kernel: &str) -> Event {
    Event::KernelReady(KernelInfo {
        name: kernel.to_owned(),
        spec: String::new(),
        release: kernel.to_owned(),
        build: String::new(),
        image_digest: String::new(),
        template: String::new(),
        machine: "tcg".to_owned(),
    })
}

fn result(kernel: &str, step: usize) -> TestResult {
    let fails = step == 7 && kernel == KERNELS[0];
    TestResult {
        kernel: kernel.to_owned(),
        case: case(step),
        verdict: if fails { Verdict::Fail } else { Verdict::Pass },
        reason: if fails { "write: succeeded, must fail with EPERM".to_owned() } else { String::new() },
        duration_ms: 140,
        guest_ns: None,
        output: String::new(),
        console: String::new(),
        splat: None,
        flight: None,
        attempts: 1,
        fingerprint: String::new(),
        exact: false,
        seed: 1,
    }
}
