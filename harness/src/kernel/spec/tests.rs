use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> KernelSpec {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> (String, String) {
    let error = text.parse::<KernelSpec>().expect_err(text);
    (error.message, error.hints.join("\n"))
}

fn newest(version: &str, flavour: &str) -> Wanted {
    Wanted::Newest { version: Some(version.into()), flavour: flavour.into() }
}

#[test]
fn the_forms_of_deb() {
    assert_eq!(parse("deb:6.1/cloud"), KernelSpec::Deb { suite: None, wanted: newest("6.1", "cloud") });
    assert_eq!(parse("deb:6.1/cloud-amd64"), parse("deb:6.1/cloud"));
    assert_eq!(parse("deb:6.1"), KernelSpec::Deb { suite: None, wanted: newest("6.1", "amd64") });
    assert_eq!(parse("deb:6.1/"), parse("deb:6.1/amd64"));
    assert_eq!(
        parse("deb:sid:newest/cloud"),
        KernelSpec::Deb {
            suite: Some("sid".into()),
            wanted: Wanted::Newest { version: None, flavour: "cloud".into() }
        }
    );
    assert_eq!(
        parse("deb:linux-image-6.12.117+deb12-cloud-amd64"),
        KernelSpec::Deb {
            suite: None,
            wanted: Wanted::Package("linux-image-6.12.117+deb12-cloud-amd64".into())
        }
    );
}

#[test]
fn path_options_stand_in_any_order() {
    let spec = parse("path:/boot/vmlinuz,symbols=/s,config=/c");
    assert_eq!(
        spec,
        KernelSpec::Path {
            image: "/boot/vmlinuz".into(),
            modules: None,
            config: Some("/c".into()),
            symbols: Some("/s".into()),
        }
    );
    assert_eq!(spec.to_string(), "path:/boot/vmlinuz,config=/c,symbols=/s");
}

fn tree(directory: &str, revision: Option<&str>) -> TreeSpec {
    TreeSpec { directory: directory.into(), revision: revision.map(str::to_owned), ..TreeSpec::default() }
}

#[test]
fn a_tree_may_name_a_revision() {
    assert_eq!(parse("tree:../linux@v6.12^0"), KernelSpec::Tree(tree("../linux", Some("v6.12^0"))));
    assert_eq!(parse("tree:."), KernelSpec::Tree(tree(".", None)));
    assert_eq!(parse("tree:me@home@HEAD@{1}"), KernelSpec::Tree(tree("me@home", Some("HEAD@{1}"))));
    assert_eq!(parse("tree:.@v6.1..HEAD"), KernelSpec::Tree(tree(".", Some("v6.1..HEAD"))));
}

#[test]
fn a_tree_may_name_its_configuration_and_makes_variables() {
    let KernelSpec::Tree(spec) = parse("tree:.@HEAD,LLVM=1,config=tiny+kcov+/my/own.config") else {
        panic!()
    };
    let config = spec.config.as_ref().unwrap();
    assert_eq!((config.base.as_str(), config.fragments.len()), ("tiny", 2));
    assert_eq!(spec.variables["LLVM"], "1");
    assert_eq!(spec.to_string(), "tree:.@HEAD,config=tiny+kcov+/my/own.config,LLVM=1");
    assert!(refused("tree:.,confg=tiny").0.contains("`confg` is neither"));
    assert!(refused("tree:.,config=tiny+").0.contains("needs a base"));
    assert!(refused("tree:.,LLVM=1,LLVM=2").0.contains("stands twice"));
    assert!(refused("tree:.,kcov").0.contains("`kcov` is not KEY=VALUE"));
}

#[test]
fn a_missing_source_is_guessed_from_the_text() {
    assert!(refused("6.1/cloud").1.contains("deb:6.1/cloud"));
    assert!(refused("linux-image-6.1.0-56-amd64").1.contains("deb:linux-image-6.1.0-56-amd64"));
    assert!(refused("arch/x86/boot/bzImage").1.contains("path:arch/x86/boot/bzImage"));
    assert!(refused("hots").1.contains("host"));
    assert!(refused("").1.contains("path:BZIMAGE"));
}

#[test]
fn mistakes_name_the_part_that_is_wrong() {
    assert!(refused("dbe:6.1/cloud").1.contains("deb:6.1/cloud"));
    assert!(refused("deb:cloud").0.contains("`cloud` is neither a version nor"));
    assert!(refused("deb:sid:").0.contains("neither a version"));
    assert!(refused("deb::6.1").0.contains("the suite is missing"));
    assert!(refused("deb:6.1/cl oud").0.contains("` ` cannot stand in a flavour"));
    assert!(refused("path:/b,confg=/c").1.contains("did you mean config=?"));
    assert!(refused("path:/b,config=").0.contains("config= needs a path"));
    assert!(refused("path:/b,config=/c,config=/d").0.contains("stands twice"));
    assert!(refused("path:").0.contains("the image is missing"));
    assert!(refused("tree:x@").0.contains("git revision"));
    assert!(refused("tree:x@--upload-pack=evil").0.contains("git revision"));
    assert!(refused("host:x").0.contains("nothing after it"));
}

fn path() -> impl Strategy<Value = PathBuf> {
    "[a-zA-Z0-9_./ +=:-]{1,20}".prop_map(PathBuf::from)
}

fn optional_path() -> impl Strategy<Value = Option<PathBuf>> {
    proptest::option::of(path())
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let package = "linux-image-[a-z0-9.+-]{1,12}".prop_map(Wanted::Package);
    let version = proptest::option::of("[0-9][0-9a-z.+~-]{0,8}");
    // A flavour is written without the architecture it is built for.
    let flavour = "[a-z0-9][a-z0-9+.]{0,8}";
    let newest = (version, flavour).prop_map(|(version, flavour)| Wanted::Newest { version, flavour });
    prop_oneof![package, newest]
}

fn spec() -> impl Strategy<Value = KernelSpec> {
    let deb = (proptest::option::of("[a-z][a-z0-9-]{0,10}"), wanted())
        .prop_map(|(suite, wanted)| KernelSpec::Deb { suite, wanted });
    let image = (path(), optional_path(), optional_path(), optional_path())
        .prop_map(|(image, modules, config, symbols)| KernelSpec::Path { image, modules, config, symbols });
    let config = proptest::option::of(("[a-z:/.0-9]{1,12}", proptest::collection::vec("[a-z./]{1,8}", 0..3)));
    let variables = proptest::collection::btree_map("[A-Z][A-Z0-9_]{0,5}", "[a-z0-9/=@-]{0,6}", 0..3);
    let revision = proptest::option::of("[a-z0-9~^/.][a-z0-9~^/.-]{0,10}");
    let tree = (path(), revision, config, variables).prop_map(|(directory, revision, config, variables)| {
        let config = config.map(|(base, fragments)| ConfigChoice { base, fragments });
        KernelSpec::Tree(TreeSpec { directory, revision, config, variables })
    });
    prop_oneof![deb, image, tree, Just(KernelSpec::Host)]
}

proptest! {
    #[test]
    fn what_is_shown_is_what_is_parsed(spec in spec()) {
        prop_assert_eq!(parse(&spec.to_string()), spec);
    }

    #[test]
    fn no_text_makes_it_panic(text in "(deb|path|tree|host|x)?:?\\PC{0,30}") {
        if let Ok(spec) = text.parse::<KernelSpec>() {
            prop_assert_eq!(parse(&spec.to_string()), spec);
        }
    }
}

#[test]
fn every_list_of_kernels_we_ship_can_be_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/kernels");
    let mut lists = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let config: std::collections::BTreeMap<String, Vec<String>> = serde_yaml::from_str(&text).unwrap();
        assert!(config["kernels"].iter().all(|kernel| parse(kernel).to_string() == *kernel));
        lists += 1;
    }
    assert!(lists > 0);
}
