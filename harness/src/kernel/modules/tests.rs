use super::index::name_of;
use super::packed::{ModuleInfo, parse_modinfo};
use super::*;
use crate::kernel::KernelSpec;
use crate::kernel::archive::tests::package;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

/// The smallest ELF relocatable file with a `.modinfo` section.
fn module(modinfo: &str) -> Vec<u8> {
    const HEADER: usize = 64;
    let names = b"\0.modinfo\0.shstrtab\0";
    let (info_at, names_at) = (HEADER, HEADER + modinfo.len());
    let sections_at = names_at + names.len();
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([1, 0, 62, 0, 1, 0, 0, 0]);
    file.extend([0; 16]);
    file.extend((sections_at as u64).to_le_bytes());
    file.extend([0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 64, 0, 3, 0, 2, 0]);
    file.extend(modinfo.as_bytes());
    file.extend(names);
    let mut section = |name: u32, kind: u32, at: usize, size: usize| {
        file.extend([name.to_le_bytes(), kind.to_le_bytes()].concat());
        for word in [0, 0, at as u64, size as u64, 0, 1, 0] {
            file.extend(word.to_le_bytes());
        }
    };
    section(0, 0, 0, 0);
    section(1, 1, info_at, modinfo.len());
    section(10, 3, names_at, names.len());
    file
}

fn xz(content: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn kernel(tree: PathBuf, packages: Vec<PathBuf>) -> KernelBuild {
    KernelBuild {
        name: "test".into(),
        spec: KernelSpec::Host,
        release: "1.2.3".into(),
        version: "1.2.3".into(),
        image: PathBuf::new(),
        config: None,
        symbols: None,
        debug: None,
        modules: Some(tree),
        packages,
        image_digest: String::new(),
    }
}

/// A packed kernel: a needs b-x (compressed) and wishes c before; d is built in.
fn packed(folder: &Path) -> (KernelBuild, Cache) {
    let deb = folder.join("linux.deb");
    let b = xz(&module("name=b_x\0depends=d\0"));
    package(
        &deb,
        &[
            ("./lib/modules/1.2.3/kernel/a.ko", &module("depends=b-x\0softdep=pre: c gone post: e\0")),
            ("./lib/modules/1.2.3/kernel/fs/b-x.ko.xz", &b),
            ("./lib/modules/1.2.3/kernel/c.ko", &module("depends=\0")),
            ("./lib/modules/1.2.3/kernel/e.ko", &module("depends=a\0")),
            ("./lib/modules/1.2.3/modules.builtin", b"kernel/d.ko\n"),
        ],
    );
    let tree = folder.join("modules");
    std::fs::create_dir(&tree).unwrap();
    (kernel(tree, vec![deb]), Cache::at(folder.join("cache")).unwrap())
}

fn load(kernel: &KernelBuild, cache: &Cache, wanted: &[&str]) -> Result<Vec<String>> {
    let files = with_dependencies(kernel, wanted, cache, &|_| {})?;
    assert!(files.iter().all(|file| file.content.starts_with(b"\x7fELF")), "modules come decompressed");
    Ok(files.into_iter().map(|file| file.name).collect())
}

#[test]
fn a_module_comes_with_what_it_needs_in_load_order() {
    let folder = tempfile::tempdir().unwrap();
    let (kernel, cache) = packed(folder.path());
    assert_eq!(load(&kernel, &cache, &["a"]).unwrap(), ["c", "b_x", "a"]);
    assert!(
        !kernel.modules.as_ref().unwrap().join("kernel/e.ko").exists(),
        "only what is needed is unpacked"
    );
    assert_eq!(load(&kernel, &cache, &["e", "c"]).unwrap(), ["c", "b_x", "a", "e"]);
    assert_eq!(load(&kernel, &cache, &["d"]).unwrap(), [""; 0], "what is built in needs no file");
}

/// As ext4 wishes for `crc32c`, which is no module's name.
#[test]
fn a_wish_is_answered_by_an_alias_and_a_list_without_answers_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let deb = folder.path().join("linux.deb");
    let modules: [(&str, Vec<u8>); 4] = [
        ("./lib/modules/1.2.3/kernel/crc-fast.ko", module("alias=crc\0alias=pci:v00*\0")),
        ("./lib/modules/1.2.3/kernel/crc_generic.ko", module("alias=crc\0")),
        ("./lib/modules/1.2.3/kernel/crc_slow.ko", module("alias=crc\0")),
        ("./lib/modules/1.2.3/kernel/fs.ko", module("depends=\0softdep=pre: crc sha\0")),
    ];
    let files: Vec<(&str, &[u8])> =
        modules.iter().map(|(path, content)| (*path, content.as_slice())).collect();
    package(&deb, &files);
    let tree = folder.path().join("modules");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("modules.dep"), "kernel/fs.ko: \n").unwrap();
    let (kernel, cache) = (kernel(tree, vec![deb]), Cache::at(folder.path().join("cache")).unwrap());
    assert_eq!(load(&kernel, &cache, &["fs"]).unwrap(), ["crc_generic", "fs"]);
}

#[test]
fn what_was_unpacked_once_needs_no_package() {
    let folder = tempfile::tempdir().unwrap();
    let (kernel, cache) = packed(folder.path());
    load(&kernel, &cache, &["a"]).unwrap();
    std::fs::remove_file(&kernel.packages[0]).unwrap();
    assert_eq!(load(&kernel, &cache, &["a"]).unwrap(), ["c", "b_x", "a"]);
}

#[test]
fn an_unknown_module_is_named_with_its_neighbour() {
    let folder = tempfile::tempdir().unwrap();
    let (kernel, cache) = packed(folder.path());
    let error = load(&kernel, &cache, &["b-y"]).unwrap_err();
    assert_eq!(error.message, "kernel test has no module `b_y`");
    assert!(error.hints[0].contains("b_x"), "{:?}", error.hints);
    let error = load(&KernelBuild { modules: None, ..kernel }, &cache, &["a"]).unwrap_err();
    assert!(error.hints[0].contains("modules=DIR"));
}

#[test]
fn depmods_own_list_is_read() {
    let dep = "kernel/fs/fuse/fuse.ko.xz:\nkernel/fs/fuse/virtiofs.ko.xz: kernel/fs/fuse/fuse.ko.xz kernel/virtio.ko.xz\n\
        kernel/virtio.ko.xz: kernel/virtio-ring.ko.xz\nkernel/virtio-ring.ko.xz:\n";
    let index = Index::parse(dep, "kernel/x.ko\n");
    assert_eq!(
        index.load_order(&["virtiofs"]).unwrap(),
        [
            "kernel/virtio-ring.ko.xz",
            "kernel/virtio.ko.xz",
            "kernel/fs/fuse/fuse.ko.xz",
            "kernel/fs/fuse/virtiofs.ko.xz"
        ]
    );
    assert_eq!(index.load_order(&["x"]).unwrap(), [""; 0]);
    assert_eq!(index.load_order(&["y"]), Err("y".to_owned()));
}

#[test]
fn names_are_those_of_the_kernel() {
    assert_eq!(name_of("kernel/crypto/aesni-intel.ko.xz"), "aesni_intel");
    assert_eq!(name_of("fuse"), "fuse");
    let said =
        parse_modinfo("license=GPL\0depends=a,b-c\0softdep=pre: x y-z post: z\0alias=d-e\0alias=pci:v1d*\0");
    assert_eq!(
        (said.needs, said.wishes, said.aliases),
        (vec!["a".into(), "b_c".into()], vec!["x".into(), "y_z".into()], vec!["d_e".into()],)
    );
    assert_eq!(parse_modinfo("depends=\0"), ModuleInfo::default());
}

/// Edges that lead from higher to lower numbers, so that there is no cycle.
fn graph() -> impl Strategy<Value = Vec<Vec<usize>>> {
    (1usize..12).prop_flat_map(|count| {
        let edges = |from: usize| proptest::collection::vec(0..from.max(1), 0..if from == 0 { 1 } else { 4 });
        (0..count).map(edges).collect::<Vec<_>>()
    })
}

fn reachable(graph: &[Vec<usize>], from: usize, seen: &mut BTreeMap<usize, ()>) {
    if seen.insert(from, ()).is_none() {
        graph[from].iter().for_each(|next| reachable(graph, *next, seen));
    }
}

proptest! {
    #[test]
    fn the_closure_is_complete_minimal_and_in_order(graph in graph()) {
        let dep: String = graph.iter().enumerate().map(|(from, edges)| {
            let needs: Vec<String> = edges.iter().filter(|to| **to < from).map(|to| format!("m{to}.ko")).collect();
            format!("m{from}.ko: {}\n", needs.join(" "))
        }).collect();
        let graph: Vec<Vec<usize>> =
            graph.iter().enumerate().map(|(from, edges)| edges.iter().copied().filter(|to| *to < from).collect()).collect();
        let last = graph.len() - 1;
        let order = Index::parse(&dep, "").load_order(&[&format!("m{last}")]).unwrap();
        let mut expected = BTreeMap::new();
        reachable(&graph, last, &mut expected);
        prop_assert_eq!(order.len(), expected.len());
        let position = |module: usize| order.iter().position(|path| *path == format!("m{module}.ko"));
        for module in expected.keys() {
            for need in &graph[*module] {
                prop_assert!(position(*need) < position(*module));
            }
        }
    }

    #[test]
    fn cycles_end(edges in proptest::collection::vec((0usize..6, 0usize..6), 0..20)) {
        let dep: String = (0..6).map(|from| {
            let needs: Vec<String> = edges.iter().filter(|edge| edge.0 == from).map(|edge| format!("m{}.ko", edge.1)).collect();
            format!("m{from}.ko: {}\n", needs.join(" "))
        }).collect();
        let order = Index::parse(&dep, "").load_order(&["m0"]).unwrap();
        prop_assert!(!order.is_empty() && order.len() <= 6);
    }
}
