use super::*;
use proptest::prelude::*;

fn bookworm() -> Packages {
    Packages::new(parse_records(include_str!("../testdata/bookworm.txt")))
}

fn sid() -> Packages {
    Packages::new(parse_records(include_str!("../testdata/sid.txt")))
}

fn names(packages: &Packages, wanted: &str) -> Vec<String> {
    let super::super::KernelSpec::Deb { wanted, .. } = format!("deb:{wanted}").parse().unwrap() else {
        panic!("{wanted} is a package")
    };
    packages.select(&wanted).unwrap().iter().map(|package| package.name.clone()).collect()
}

#[test]
fn names_are_taken_apart() {
    let of = |name: &'static str| image_name(name).map(|name| (name.release, name.flavour));
    assert_eq!(of("linux-image-6.1.0-56-cloud-amd64"), Some(("6.1.0-56", "cloud")));
    assert_eq!(of("linux-image-6.1.0-56-amd64"), Some(("6.1.0-56", "amd64")));
    assert_eq!(of("linux-image-6.1.0-0.deb11.48-rt-amd64"), Some(("6.1.0-0.deb11.48", "rt")));
    assert_eq!(of("linux-image-7.2.13+deb14-amd64"), Some(("7.2.13+deb14", "amd64")));
    for other in [
        "linux-image-cloud-amd64",
        "linux-image-6.12-cloud-amd64",
        "linux-image-6.1.0-56-cloud-amd64-dbg",
        "linux-image-6.1.0-56-cloud-amd64-unsigned",
        "linux-image-amd64-signed-template",
        "linux-headers-6.1.0-56-amd64",
    ] {
        assert_eq!(of(other), None, "{other}");
    }
}

#[test]
fn the_newest_of_a_series_and_flavour_is_chosen() {
    assert_eq!(names(&bookworm(), "6.1/cloud"), ["linux-image-6.1.0-56-cloud-amd64"]);
    assert_eq!(names(&bookworm(), "6.1/rt"), ["linux-image-6.1.0-56-rt-amd64"]);
    assert_eq!(names(&bookworm(), "6.1"), ["linux-image-6.1.0-56-amd64"]);
    assert_eq!(names(&bookworm(), "6.1.0-47/cloud"), ["linux-image-6.1.0-47-cloud-amd64"]);
    assert_eq!(names(&bookworm(), "newest/cloud"), ["linux-image-6.12.117+deb12-cloud-amd64"]);
}

#[test]
fn the_upstream_version_is_a_name_too() {
    assert_eq!(names(&bookworm(), "6.1.192/cloud"), ["linux-image-6.1.0-56-cloud-amd64"]);
}

#[test]
fn a_kernel_in_pieces_brings_them_all() {
    let mut pieces = names(&sid(), "newest/cloud");
    assert_eq!(pieces.remove(0), "linux-image-7.2.13+deb14-cloud-amd64");
    pieces.sort();
    assert_eq!(
        pieces,
        ["base", "binary", "modules"].map(|piece| format!("linux-{piece}-7.2.13+deb14-cloud-amd64"))
    );
}

#[test]
fn a_metapackage_leads_to_its_kernel() {
    assert_eq!(
        names(&bookworm(), "linux-image-6.12-cloud-amd64"),
        ["linux-image-6.12-cloud-amd64", "linux-image-6.12.117+deb12-cloud-amd64"]
    );
}

#[test]
fn a_miss_says_which_half_is_wrong_and_what_there_is() {
    let packages = bookworm();
    let miss = |version: Option<&str>, flavour: &str| {
        let wanted = Wanted::Newest { version: version.map(Into::into), flavour: flavour.into() };
        let error = packages.select(&wanted).unwrap_err();
        (error.message, error.hints.join(" "))
    };
    assert!(miss(Some("6.1"), "clod").1.contains("did you mean cloud?"));
    assert!(miss(Some("6.1"), "zzzzzzzz").1.contains("amd64, cloud, rt"));
    let (message, hints) = miss(Some("6.7"), "cloud");
    assert!(message.contains("`cloud` has a version 6.7"));
    assert!(hints.contains("this suite has: 6.1, 6.12"), "{hints}");
    let wanted = Wanted::Package("linux-image-6.1.0-55-rt-amd64".into());
    let error = packages.select(&wanted).unwrap_err();
    assert!(error.hints[0].contains("linux-image-6.1.0-56-rt-amd64"), "{:?}", error.hints);
}

#[test]
fn a_record_gives_what_the_download_needs() {
    let packages = bookworm();
    let wanted = Wanted::Newest { version: Some("6.1".into()), flavour: "cloud".into() };
    let package = packages.select(&wanted).unwrap()[0];
    assert_eq!(package.version.as_str(), "6.1.192-2");
    assert_eq!(package.size, 26_713_492);
    assert_eq!(package.sha256.len(), 64);
    assert!(package.pieces.is_empty(), "kmod and linux-base are not pieces of the kernel");
}

proptest! {
    #[test]
    fn the_choice_is_the_maximum(order in Just((0u32..20).collect::<Vec<_>>()).prop_shuffle(), count in 1usize..20) {
        let listed = &order[..count];
        let packages = Packages::new(listed.iter().map(|abi| Package {
            name: format!("linux-image-6.1.0-{abi}-amd64"),
            version: DebianVersion::new(format!("6.1.{abi}-1")),
            pieces: vec![],
            size: 0,
            sha256: String::new(),
        }));
        let wanted = Wanted::Newest { version: Some("6.1".into()), flavour: "amd64".into() };
        let newest = listed.iter().max().unwrap();
        prop_assert_eq!(&packages.select(&wanted).unwrap()[0].name, &format!("linux-image-6.1.0-{newest}-amd64"));
    }
}
