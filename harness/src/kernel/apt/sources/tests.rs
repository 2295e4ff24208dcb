use super::*;

const DEB822: &str = "Types: deb\n# the main archive\nURIs: http://mirror.example/debian\n\
    Suites: bookworm bookworm-updates\nComponents: main contrib\n\
    Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
    Types: deb deb-src\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\n\
    Components: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n\n\
    Types: deb\nURIs: http://vendor.example/apt\nSuites: bookworm\nComponents: stable\n\n\
    Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\n\n\
    Types: deb-src\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n";

const ONE_LINE: &str = "# comment\n\
    deb http://mirror.example/debian bookworm main contrib # why\n\
    deb-src http://mirror.example/debian bookworm main\n\
    deb [arch=amd64,i386 signed-by=/usr/share/keyrings/debian-archive-bookworm-stable.gpg] \
    http://mirror.example/debian-security bookworm-security main\n\
    deb cdrom:[Debian GNU/Linux 12]/ bookworm main\n\
    deb http://vendor.example/apt cloud-sdk-bookworm main\n";

fn deb822() -> Vec<Source> {
    parse(Path::new("debian.sources"), DEB822)
}

fn one_line() -> Vec<Source> {
    parse(Path::new("sources.list"), ONE_LINE)
}

/// Every (URI, suite) pair.
fn pairs(sources: &[Source]) -> Vec<String> {
    let pair = |source: &Source| {
        source.suites.iter().map(|suite| format!("{} {suite}", source.uris.join(" "))).collect::<Vec<_>>()
    };
    sources.iter().flat_map(pair).collect()
}

#[test]
fn both_forms_are_read() {
    assert_eq!(
        pairs(&deb822()),
        [
            "http://mirror.example/debian bookworm",
            "http://mirror.example/debian bookworm-updates",
            "http://mirror.example/debian-security bookworm-security",
            "http://vendor.example/apt bookworm",
        ]
    );
    let lines = one_line();
    assert_eq!(
        pairs(&lines),
        [
            "http://mirror.example/debian bookworm",
            "http://mirror.example/debian-security bookworm-security",
            "http://vendor.example/apt cloud-sdk-bookworm",
        ]
    );
    assert_eq!(lines[0].components, ["main", "contrib"]);
    assert_eq!(lines[1].options[0], ("Architectures".to_owned(), "amd64 i386".to_owned()));
}

#[test]
fn a_written_out_key_keeps_its_lines() {
    let sources = deb822();
    assert_eq!(sources[1].options[0].1, "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc");
    assert_eq!(parse_deb822(&render(&sources, None))[1].options[2..], sources[1].options[..]);
}

#[test]
fn another_suite_comes_from_the_same_archives() {
    let expected = [
        "http://mirror.example/debian trixie",
        "http://mirror.example/debian trixie-updates",
        "http://mirror.example/debian-security trixie-security",
    ];
    assert_eq!(pairs(&derive(&deb822(), "bookworm", "trixie")), expected);
    assert_eq!(pairs(&derive(&one_line(), "bookworm", "trixie")), [expected[0], expected[2]]);
}

#[test]
fn a_suite_without_parts_gets_none() {
    assert_eq!(pairs(&derive(&deb822(), "bookworm", "sid")), ["http://mirror.example/debian sid"]);
    assert_eq!(
        pairs(&derive(&deb822(), "bookworm", "bookworm-backports")),
        ["http://mirror.example/debian bookworm-backports"]
    );
}

#[test]
fn sources_that_name_the_suite_come_first() {
    let mut sources = deb822();
    sources.push(Source {
        uris: vec!["http://archive.example/debian".into()],
        suites: vec!["buster".into()],
        components: vec!["main".into()],
        options: vec![],
    });
    assert_eq!(pairs(&derive(&sources, "bookworm", "buster")), ["http://archive.example/debian buster"]);
}

#[test]
fn a_role_counts_as_the_machines_suite() {
    let sources = parse(Path::new("sources.list"), "deb http://mirror.example/debian stable main\n");
    assert_eq!(pairs(&derive(&sources, "bookworm", "sid")), ["http://mirror.example/debian sid"]);
}

#[test]
fn a_machine_of_another_kind_has_nothing_to_derive_from() {
    let sources = parse(Path::new("sources.list"), "deb http://vendor.example/apt noble main\n");
    assert_eq!(derive(&sources, "bookworm", "sid"), []);
}

#[test]
fn keys_of_one_release_give_way_to_the_whole_keyring() {
    let keyrings = Some(Path::new("/keys"));
    let text = render(&derive(&one_line(), "bookworm", "sid"), keyrings);
    assert!(!text.contains("Signed-By"), "what the machine trusts stays as it is: {text}");
    let text = render(&derive(&one_line(), "bookworm", "trixie"), keyrings);
    assert!(text.contains("Signed-By: /keys/debian-archive-keyring.gpg\n"), "{text}");
    let text = render(&deb822()[1..2], keyrings);
    assert!(
        text.contains("Signed-By: /keys/debian-archive-keyring.gpg\n") && !text.contains("PGP"),
        "{text}"
    );
    let text = render(&deb822()[..1], keyrings);
    assert!(text.contains("Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"), "{text}");
}

#[test]
fn only_lists_of_packages_are_asked_for() {
    let text = render(&one_line(), None);
    assert_eq!(text.matches("Targets: Packages\n").count(), 3);
    assert_eq!(text.matches("Architectures: amd64\n").count(), 3);
}
