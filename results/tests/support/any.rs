//! Any event at all, over few enough names that they meet.

use gauntlet_results::{Event, Finding, KernelInfo, TestResult, Verdict, WorkloadResult};
use proptest::prelude::*;

/// Text as a hostile guest writes it.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z ]{0,12}",
        1 => Just("\0\u{1b}[31m</pre><script>alert(1)</script>&amp;]]>\u{202e}\r\n# ok 1\n".to_owned()),
        1 => "\\PC{0,20}",
        1 => any::<String>(),
    ]
}

pub fn kernel() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["6.1-cloud", "6.12-cloud", "6.1-rt", "<6>:\"x\""]).prop_map(str::to_owned)
}

pub fn case() -> impl Strategy<Value = String> {
    let names = vec!["memfd/seal", "memfd/seal-write", "bpf/map", "bpf/verifier #1", "alone", "a/b/c"];
    prop::sample::select(names).prop_map(str::to_owned)
}

pub fn verdict() -> impl Strategy<Value = Verdict> {
    prop::sample::select(Verdict::ALL.to_vec())
}

pub fn test_result() -> impl Strategy<Value = TestResult> {
    let texts = (text(), text(), text(), prop::option::of(text()), prop::option::of(text()));
    let numbers = (any::<u64>(), prop::option::of(any::<u64>()), any::<u32>(), any::<u64>(), any::<bool>());
    let number = prop::option::of(1u32..4);
    (kernel(), case(), verdict(), texts, numbers, number).prop_map(
        |(kernel, case, verdict, texts, numbers, number)| {
            let (reason, output, console, splat, flight) = texts;
            let (duration_ms, guest_ns, attempts, seed, exact) = numbers;
            let fingerprint = "f".to_owned();
            let result = TestResult {
                kernel,
                case,
                verdict,
                reason,
                duration_ms,
                guest_ns,
                output,
                console,
                splat,
                flight,
                attempts,
                fingerprint,
                exact,
                seed,
                linger_ms: seed % 3000,
                repetitions: Vec::new(),
            };
            match number {
                Some(number) => result.repeated(number),
                None => result,
            }
        },
    )
}

pub fn workload() -> impl Strategy<Value = WorkloadResult> {
    let functions = prop::collection::vec((text(), any::<u64>()), 0..3);
    let samples = prop::collection::vec(any::<u64>(), 0..5);
    (kernel(), case(), verdict(), text(), samples, functions).prop_map(
        |(kernel, workload, verdict, reason, samples, functions)| WorkloadResult {
            kernel,
            workload,
            verdict,
            reason,
            exact: true,
            seed: 1,
            unit: "instructions".to_owned(),
            medians: samples.clone(),
            samples,
            functions,
            duration_ms: 5,
        },
    )
}

fn finding() -> impl Strategy<Value = Finding> {
    (kernel(), text(), text(), any::<u32>()).prop_map(|(kernel, title, program, reproduced)| Finding {
        kernel,
        title,
        c_program: format!("int main(void) {{ /* {program} */ }}"),
        program,
        console: String::new(),
        reproduced,
        replays: 10,
    })
}

fn kernel_info() -> impl Strategy<Value = KernelInfo> {
    (kernel(), text()).prop_map(|(name, build)| KernelInfo { name, build, ..KernelInfo::default() })
}

/// Any event but the start and the end.
pub fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => (kernel(), prop::collection::vec(case(), 0..5)).prop_map(|(kernel, cases)| Event::Planned { kernel, cases, times: 1 }),
        1 => kernel_info().prop_map(Event::KernelReady),
        1 => (kernel(), verdict(), text(), text()).prop_map(|(kernel, verdict, reason, console)| {
            Event::KernelFailed { kernel, verdict, reason, console }
        }),
        2 => (kernel(), case()).prop_map(|(kernel, case)| Event::CaseStarted { kernel, case }),
        5 => test_result().prop_map(Event::CaseFinished),
        2 => workload().prop_map(Event::WorkloadFinished),
        1 => finding().prop_map(Event::Found),
        1 => text().prop_map(|text| Event::Note { text }),
        1 => text().prop_map(|text| Event::Progress { text }),
    ]
}

/// What may follow the start of a run.
pub fn events() -> impl Strategy<Value = Vec<Event>> {
    let end = prop::option::of(any::<bool>().prop_map(super::finished));
    (prop::collection::vec(event(), 0..30), end).prop_map(|(mut events, end)| {
        events.extend(end);
        events
    })
}
