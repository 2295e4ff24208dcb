//! Kernel images that are not what they seem.

use crate::support::{cache, fast, ready};
use gauntlet::kernel::{self, Cache, KernelBuild, KernelSpec};
use gauntlet::session::{Host, Session, SessionOptions};
use gauntlet_results::Verdict;
use std::path::Path;
use std::time::Duration;

fn resolve(path: &Path) -> gauntlet::Result<KernelBuild> {
    let spec: KernelSpec = format!("path:{}", path.display()).parse().unwrap();
    kernel::resolve(&spec, &Cache::at(cache()).unwrap(), &|_| {})
}

#[tokio::test]
async fn a_truncated_or_foreign_image_is_refused_before_anything_boots() {
    let Some(ready) = ready(fast()).await else { return };
    let image = std::fs::read(&ready.session.kernel.image).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bzImage");
    std::fs::write(&path, &image[..image.len() / 2]).unwrap();
    assert!(resolve(&path).unwrap_err().to_string().contains("truncated"));
    let mut arm = vec![0u8; 4096];
    arm[0x38..0x3c].copy_from_slice(b"ARM\x64");
    std::fs::write(&path, arm).unwrap();
    let error = resolve(&path).unwrap_err().to_string();
    assert!(error.to_lowercase().contains("arm"), "{error}");
}

#[tokio::test]
async fn a_kernel_that_never_prints_is_infrastructure_after_its_retries() {
    let Some(ready) = ready(fast()).await else { return };
    let mut image = std::fs::read(&ready.session.kernel.image).unwrap();
    // Behind the setup sectors lies the 32-bit entry (Documentation/arch/x86/boot.rst): jump to itself for ever.
    let entry = (usize::from(image[0x1f1]) + 1) * 512;
    image[entry..entry + 2].copy_from_slice(&[0xeb, 0xfe]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bzImage");
    std::fs::write(&path, image).unwrap();
    let build = resolve(&path).unwrap();
    let host = Host::open(&cache()).await.unwrap();
    let options = SessionOptions { boot_deadline: Duration::from_secs(3), retries: 1, ..fast() };
    let failure = Session::prepare(&host, &build, &options).await.unwrap_err();
    assert_eq!(failure.verdict, Verdict::Infra, "{failure}");
    assert!(failure.reason.contains("printed nothing"), "{failure}");
}

#[tokio::test]
async fn a_kernel_that_panics_in_its_boot_is_a_crash_of_that_kernel() {
    let options = SessionOptions { append: "rdinit=/nowhere root=none panic=-1".to_owned(), ..fast() };
    let Some(ready) = ready(fast()).await else { return };
    let failure = Session::prepare(&ready.host, &ready.session.kernel, &options).await.unwrap_err();
    assert_eq!(failure.verdict, Verdict::Crash, "{failure}");
    assert!(failure.console.contains("Kernel panic"), "{failure}");
}
