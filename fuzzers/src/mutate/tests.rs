use gauntlet_protocol::program::MAX_CALLS;
use proptest::prelude::*;

use super::*;

fn program(bytes: &[u8]) -> Program {
    Generator::new(true).program(&mut Choices::new(bytes), 12)
}

proptest! {
    #[test]
    fn mutants_are_sound(
        parent in proptest::collection::vec(any::<u8>(), 64..1500),
        donor in proptest::collection::vec(any::<u8>(), 64..1500),
        decisions in proptest::collection::vec(any::<u8>(), 64..1500),
    ) {
        let (mut program, donor) = (program(&parent), program(&donor));
        let generator = Generator::new(true);
        let mut choices = Choices::new(&decisions);
        for _ in 0..10 {
            strategy::apply(&mut choices, &generator, &mut program, &donor);
            prop_assert!(program.is_sound(), "{}", program);
            prop_assert!(program.calls.len() <= MAX_CALLS);
            prop_assert!(!program.calls.is_empty());
        }
    }
}

#[test]
fn every_strategy_changes_something_and_all_have_weight() {
    for strategy in STRATEGIES {
        assert!(strategy.weight > 0);
        let changed = (0..200u64).any(|seed| {
            let bytes = decisions(&mut libafl_bolts::rands::StdRand::with_seed(seed), 2048);
            let (parent, rest) = bytes.split_at(1024);
            let before = program(parent);
            let mut after = before.clone();
            strategy.apply(&mut Choices::new(rest), &Generator::new(true), &mut after, &before);
            after != before
        });
        assert!(changed, "{} never changed a program", strategy.name);
    }
}

#[test]
fn constants_and_foreign_descriptors_are_never_touched() {
    // A process id of 1 would be the agent, a descriptor of 0 its console.
    let before: Program =
        "sched_getattr(0x0, &0x40, 0x30, 0x0)\nread(0xffffffffffffffff, &0x10, 0x10)".parse().unwrap();
    for seed in 0..2000 {
        let bytes = decisions(&mut libafl_bolts::rands::StdRand::with_seed(seed), 256);
        let mut after = before.clone();
        let mut choices = Choices::new(&bytes);
        after.calls.iter_mut().for_each(|call| tweak::call(&mut choices, call));
        assert_eq!(after.calls[0].arguments[0], before.calls[0].arguments[0]);
        assert_eq!(after.calls[1].arguments[0], before.calls[1].arguments[0]);
    }
}
