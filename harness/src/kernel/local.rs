//! Kernels that are files on this machine already: `path:` and `host`.

use super::{KernelBuild, KernelConfig, KernelSpec, image};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// A placeholder that says where the real symbols are is shorter than any System.map.
const SMALLEST_SYSTEM_MAP: u64 = 4096;

/// The files of a kernel. Those that are named must exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    pub image: PathBuf,
    pub modules: Option<PathBuf>,
    pub config: Option<PathBuf>,
    /// System.map, or vmlinux with debugging information.
    pub symbols: Option<PathBuf>,
    pub debug: Option<PathBuf>,
}

/// Checks the files and reads what they say.
pub fn build(spec: &KernelSpec, files: &Files) -> Result<KernelBuild> {
    let header = image::read(&files.image)?;
    let modules = files.modules.as_deref().map(module_tree).transpose()?;
    let symbols = files.symbols.as_deref().map(existing).transpose()?;
    let (debug, symbols) = match symbols {
        Some(path) if is_elf(&path) => (Some(path), None),
        symbols => (files.debug.clone(), symbols),
    };
    Ok(KernelBuild {
        name: spec.to_string(),
        spec: spec.clone(),
        release: header.release,
        version: header.version,
        image_digest: digest(&files.image)?,
        image: existing(&files.image)?,
        config: files.config.as_deref().map(KernelConfig::read).transpose()?,
        symbols: symbols.filter(|path| is_system_map(path)),
        debug,
        modules,
        packages: Vec::new(),
    })
}

/// Adds what lies beside the image where a build or an installation puts it, unless it was named: `System.map`,
/// `vmlinux` and `.config` of the tree that `arch/x86/boot/bzImage` belongs to, `config-RELEASE` beside `vmlinuz-RELEASE`.
pub fn with_neighbours(mut files: Files) -> Files {
    let (config, symbols) = neighbours(&files.image);
    let vmlinux = symbols
        .as_ref()
        .and_then(|path| path.ends_with("System.map").then(|| path.with_file_name("vmlinux")));
    files.debug = files.debug.or(vmlinux.filter(|path| is_elf(path)));
    files.config = files.config.or(config.filter(|path| path.is_file()));
    files.symbols = files.symbols.or(symbols.filter(|path| path.is_file()));
    files
}

fn neighbours(image: &Path) -> (Option<PathBuf>, Option<PathBuf>) {
    if let Some(release) = image.file_name().and_then(|name| name.to_str()?.strip_prefix("vmlinuz-")) {
        let beside = |name: &str| Some(image.with_file_name(format!("{name}-{release}")));
        return (beside("config"), beside("System.map"));
    }
    match image.ancestors().nth(4) {
        Some(tree) if image.ends_with("arch/x86/boot/bzImage") => {
            (Some(tree.join(".config")), Some(tree.join("System.map")))
        }
        _ => (None, None),
    }
}

/// The kernel this machine runs.
pub fn host(spec: &KernelSpec) -> Result<KernelBuild> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    build(spec, &host_files(Path::new("/"), &release)?)
}

fn host_files(root: &Path, release: &str) -> Result<Files> {
    let tree = root.join("lib/modules").join(release);
    let places = |name: &str| [root.join("boot").join(format!("{name}-{release}")), tree.join(name)];
    let find = |name: &str| places(name).into_iter().find(|path| path.is_file());
    let image = find("vmlinuz").ok_or_else(|| {
        let looked = places("vmlinuz").map(|path| path.display().to_string()).join(" and ");
        Error::usage(format!("kernel `host`: this machine runs {release}, but keeps no image of it"))
            .hint(format!(
                "looked for {looked}; virtual machines and containers often run a kernel from outside"
            ))
            .hint("name another kernel, for example deb:6.1/cloud or path:BZIMAGE")
    })?;
    let proc_config = Some(root.join("proc/config.gz")).filter(|path| path.is_file());
    Ok(Files {
        image,
        modules: Some(tree.clone()).filter(|path| path.is_dir()),
        config: find("config").or(proc_config),
        symbols: find("System.map"),
        debug: None,
    })
}

/// BLAKE3 of a file, in hexadecimal.
pub fn digest(path: &Path) -> Result<String> {
    let unreadable =
        |error| Error::infra(format!("cannot read {}", path.display())).because(anyhow::Error::new(error));
    let mut hasher = blake3::Hasher::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    hasher.update_reader(file).map_err(unreadable)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Whether the file has addresses and not only a remark about them.
pub fn is_system_map(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.len() >= SMALLEST_SYSTEM_MAP)
}

fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read =
        std::fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut magic));
    read.is_ok() && magic == *b"\x7fELF"
}

fn existing(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path).map_err(|error| Error::usage(format!("{}", path.display())).because(error))
}

fn module_tree(path: &Path) -> Result<PathBuf> {
    let tree = existing(path)?;
    match tree.join("modules.dep").is_file() {
        true => Ok(tree),
        false => Err(Error::usage(format!("module tree {}: it has no modules.dep", path.display())).hint(
            "name the directory of one release, as /lib/modules/RELEASE or what `make modules_install` made",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::image::tests::bzimage;
    use super::*;

    fn write(path: PathBuf, content: &[u8]) -> PathBuf {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    #[test]
    fn a_build_tree_is_recognised_around_its_image() {
        let folder = tempfile::tempdir().unwrap();
        let image = write(folder.path().join("arch/x86/boot/bzImage"), &bzimage());
        write(folder.path().join(".config"), b"CONFIG_KCOV=y\n");
        write(folder.path().join("System.map"), &[b'x'; 5000]);
        let spec: KernelSpec = format!("path:{}", image.display()).parse().unwrap();
        let files = with_neighbours(Files { image, ..Files::default() });
        let kernel = build(&spec, &files).unwrap();
        assert_eq!(kernel.release, "6.1.0-56-cloud-amd64");
        assert!(kernel.config.unwrap().is_built_in("KCOV"));
        assert!(kernel.symbols.is_some());
        assert_eq!(kernel.modules, None);
        assert_eq!(kernel.image_digest, blake3::hash(&bzimage()).to_hex().to_string());
    }

    #[test]
    fn a_named_file_comes_before_a_neighbour() {
        let folder = tempfile::tempdir().unwrap();
        let image = write(folder.path().join("vmlinuz-1.2.3"), &bzimage());
        write(folder.path().join("config-1.2.3"), b"");
        let named = folder.path().join("mine");
        let files = Files { image, config: Some(named.clone()), ..Files::default() };
        assert_eq!(with_neighbours(files).config, Some(named));
    }

    #[test]
    fn the_placeholder_of_a_package_is_no_system_map() {
        let folder = tempfile::tempdir().unwrap();
        let image = write(folder.path().join("vmlinuz-1.2.3"), &bzimage());
        write(
            folder.path().join("System.map-1.2.3"),
            b"ffffffffffffffff B The real System.map is elsewhere\n",
        );
        let files = with_neighbours(Files { image, ..Files::default() });
        assert_eq!(build(&KernelSpec::Host, &files).unwrap().symbols, None);
    }

    #[test]
    fn the_hosts_kernel_is_found_in_both_places() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let error = host_files(root, "1.2.3").unwrap_err();
        assert!(error.message.contains("runs 1.2.3, but keeps no image"), "{error}");
        assert!(error.hints[0].contains("boot/vmlinuz-1.2.3"), "{:?}", error.hints);
        let image = write(root.join("lib/modules/1.2.3/vmlinuz"), &bzimage());
        write(root.join("proc/config.gz"), b"");
        let files = host_files(root, "1.2.3").unwrap();
        assert_eq!(files.image, image);
        assert_eq!(files.config, Some(root.join("proc/config.gz")));
        assert_eq!(files.modules, Some(root.join("lib/modules/1.2.3")));
    }

    #[test]
    fn a_directory_without_modules_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let image = write(folder.path().join("bzImage"), &bzimage());
        let files = Files { image, modules: Some(folder.path().into()), ..Files::default() };
        let error = build(&KernelSpec::Host, &files).unwrap_err();
        assert!(error.message.contains("has no modules.dep"), "{error}");
    }
}
