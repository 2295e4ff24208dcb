use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Data(u32, Vec<u8>),
    Call(u32, Vec<Argument>),
    Address(u32, u32),
}

fn argument() -> impl Strategy<Value = Argument> {
    prop_oneof![
        any::<u64>().prop_map(Argument::Number),
        (0..ARENA_SIZE).prop_map(Argument::Pointer),
        any::<i32>().prop_map(|fallback| Argument::Slot { slot: 0, fallback }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..ARENA_SIZE - 64, proptest::collection::vec(any::<u8>(), 0..64))
            .prop_map(|(offset, bytes)| Step::Data(offset, bytes)),
        (any::<u32>(), proptest::collection::vec(argument(), 0..=MAX_ARGUMENTS))
            .prop_map(|(number, arguments)| Step::Call(number, arguments)),
        (0..ARENA_SIZE - 8, 0..ARENA_SIZE).prop_map(|(offset, target)| Step::Address(offset, target)),
    ]
}

fn encode(steps: &[Step]) -> ProgramWriter {
    let mut writer = ProgramWriter::new(Tier::Task);
    // The first call gives slot 0, which the generated arguments use.
    writer.call(0, &[]);
    for step in steps {
        match step {
            Step::Data(offset, bytes) => writer.data(*offset, bytes),
            Step::Call(number, arguments) => writer.call(*number, arguments),
            Step::Address(offset, target) => writer.address(*offset, *target),
        }
    }
    writer
}

fn same(step: &Step, operation: &Operation<'_>) -> bool {
    match (step, operation) {
        (Step::Data(offset, bytes), Operation::Data { offset: at, bytes: read }) => {
            offset == at && bytes == read
        }
        (Step::Address(offset, target), Operation::Address { offset: at, target: to }) => {
            offset == at && target == to
        }
        (Step::Call(number, sent), Operation::Call { number: read, arguments, count }) => {
            number == read && sent[..] == arguments[..*count]
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn programs_are_read_as_written(programs in proptest::collection::vec(proptest::collection::vec(step(), 0..20), 0..5)) {
        let mut batch = BatchWriter::new(7);
        programs.iter().for_each(|steps| batch.push(&encode(steps)));
        let bytes = batch.finish();
        let read: Vec<_> = Programs::new(&bytes).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(read.len(), programs.len());
        for (steps, (tier, operations)) in programs.iter().zip(read) {
            prop_assert_eq!(tier, Tier::Task);
            let operations: Vec<_> = operations.skip(1).map(Result::unwrap).collect();
            prop_assert_eq!(steps.len(), operations.len());
            prop_assert!(steps.iter().zip(&operations).all(|(step, operation)| same(step, operation)));
        }
    }

    #[test]
    fn garbage_is_refused_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 24..600)) {
        bytes[..8].copy_from_slice(&BATCH_MAGIC.to_le_bytes());
        for (_, operations) in Programs::new(&bytes).unwrap().flatten() {
            operations.for_each(drop);
        }
    }

    #[test]
    fn records_are_read_as_written_and_a_flipped_bit_ends_them(
        results in proptest::collection::vec(any::<u32>(), 0..MAX_CALLS),
        coverage in proptest::collection::vec(any::<u32>(), 0..50),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let counters: Vec<u64> = coverage.iter().map(|low| u64::from(*low) | 0xffff_ffff_0000_0000).collect();
        let ran = |program, flags| Ran { program, flags, micros: 7, results: &results, coverage: &counters };
        let mut out = vec![0; 2 * record_size(results.len(), coverage.len())];
        let mut writer = RecordWriter::new(&mut out, 99);
        prop_assert!(writer.push(&ran(0, 1)));
        prop_assert!(writer.push(&ran(1, 2)));
        prop_assert!(!writer.push(&Ran::default()));
        let expected = |program, flags| Record {
            program,
            flags,
            micros: 7,
            results: results.clone(),
            coverage: coverage.clone(),
        };
        let read: Vec<_> = Records::new(&out, 99).collect();
        prop_assert_eq!(read, vec![expected(0, 1), expected(1, 2)]);
        prop_assert_eq!(Records::new(&out, 98).count(), 0);
        let second = out.len() / 2;
        let place = second + at.index(second);
        out[place] ^= 1 << bit;
        prop_assert_eq!(Records::new(&out, 99).count(), 1);
    }

    #[test]
    fn garbage_records_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert_eq!(Records::new(&bytes, 0).count(), 0);
    }
}

#[test]
fn a_result_used_before_its_call_is_malformed() {
    let mut program = ProgramWriter::new(Tier::InProcess);
    program.call(1, &[Argument::Slot { slot: 0, fallback: -1 }]);
    let mut batch = BatchWriter::new(0);
    batch.push(&program);
    let bytes = batch.finish();
    let (_, mut operations) = Programs::new(&bytes).unwrap().next().unwrap().unwrap();
    assert_eq!(operations.next(), Some(Err(ReadError)));
}

#[test]
fn pointers_beyond_the_arena_are_malformed() {
    let mut program = ProgramWriter::new(Tier::InProcess);
    program.data(ARENA_SIZE - 4, &[0; 8]);
    let mut batch = BatchWriter::new(0);
    batch.push(&program);
    let bytes = batch.finish();
    let (_, mut operations) = Programs::new(&bytes).unwrap().next().unwrap().unwrap();
    assert_eq!(operations.next(), Some(Err(ReadError)));
}
