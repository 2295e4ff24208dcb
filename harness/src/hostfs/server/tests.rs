use super::super::request::tests::message;
use super::*;

fn reply_of(server: &mut Server, opcode: u32, node: u64, body: &[u8]) -> Result<Vec<u8>, i32> {
    let bytes = server.answer(&message(opcode, node, body)).expect("a reply");
    let error = i32::from_le_bytes(bytes[4..8].try_into().unwrap());
    if error == 0 { Ok(bytes[16..].to_vec()) } else { Err(-error) }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().unwrap())
}

fn read_body(handle: u64, offset: u64, size: u32) -> Vec<u8> {
    [&handle.to_le_bytes()[..], &offset.to_le_bytes(), &size.to_le_bytes(), &[0; 20]].concat()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "twelve bytes").unwrap();
    fs::create_dir(folder.path().join("inner")).unwrap();
    std::os::unix::fs::symlink("file", folder.path().join("link")).unwrap();
    folder
}

#[test]
fn a_file_is_found_opened_read_and_released() {
    let folder = folder();
    let mut server = Server::new(folder.path());
    let node = number(&reply_of(&mut server, 1, ROOT, b"file\0").unwrap());
    let handle = number(&reply_of(&mut server, 14, node, &[0; 8]).unwrap());
    assert_eq!(reply_of(&mut server, 15, node, &read_body(handle, 0, 4096)).unwrap(), b"twelve bytes");
    assert_eq!(reply_of(&mut server, 15, node, &read_body(handle, 7, 3)).unwrap(), b"byt");
    assert_eq!(
        reply_of(&mut server, 15, node, &read_body(handle, u64::MAX, 3)).map(|_| ()),
        Err(libc::EINVAL)
    );
    reply_of(&mut server, 18, node, &handle.to_le_bytes()).unwrap();
    assert_eq!(reply_of(&mut server, 15, node, &read_body(handle, 0, 1)), Err(libc::EBADF));
}

#[test]
fn a_listing_in_small_pieces_holds_every_name_once() {
    let folder = folder();
    let mut server = Server::new(folder.path());
    let handle = number(&reply_of(&mut server, 27, ROOT, &[0; 8]).unwrap());
    let (mut names, mut offset) = (Vec::new(), 0);
    loop {
        let piece = reply_of(&mut server, 28, ROOT, &read_body(handle, offset, 40)).unwrap();
        if piece.is_empty() {
            break;
        }
        let length = u32::from_le_bytes(piece[16..20].try_into().unwrap()) as usize;
        offset = u64::from_le_bytes(piece[8..16].try_into().unwrap());
        names.push(String::from_utf8(piece[24..24 + length].to_vec()).unwrap());
    }
    names.sort();
    assert_eq!(names, [".", "..", "file", "inner", "link"]);
}

#[test]
fn links_are_read_and_changes_refused() {
    let folder = folder();
    let mut server = Server::new(folder.path());
    let link = number(&reply_of(&mut server, 1, ROOT, b"link\0").unwrap());
    assert_eq!(reply_of(&mut server, 5, link, &[]).unwrap(), b"file");
    assert_eq!(reply_of(&mut server, 14, link, &[0; 8]), Err(libc::EACCES));
    for opcode in [4, 9, 10, 12, 16, 35] {
        assert_eq!(reply_of(&mut server, opcode, ROOT, b"x\0"), Err(libc::EROFS), "{opcode}");
    }
    assert_eq!(reply_of(&mut server, 1, ROOT, b"nothing\0"), Err(libc::ENOENT));
    assert_eq!(reply_of(&mut server, 3, 999, &[0; 16]), Err(libc::ESTALE));
}

#[test]
fn a_pipe_of_the_host_is_never_opened() {
    let folder = folder();
    let path = std::ffi::CString::new(folder.path().join("pipe").as_os_str().as_bytes()).unwrap();
    // SAFETY: a NUL-terminated path that lives through the call.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    let mut server = Server::new(folder.path());
    let node = number(&reply_of(&mut server, 1, ROOT, b"pipe\0").unwrap());
    assert_eq!(reply_of(&mut server, 14, node, &[0; 8]), Err(libc::EACCES));
}

#[test]
fn any_bytes_get_a_reply_or_none() {
    let folder = folder();
    let mut server = Server::new(folder.path());
    let mut state = 1u64;
    for round in 0..20_000u32 {
        let mut bytes = message(round % 60, u64::from(round % 5), &[0; 40]);
        for _ in 0..6 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let place = (state >> 33) as usize % bytes.len();
            bytes[place] = (state >> 20) as u8;
        }
        drop(server.answer(&bytes));
    }
}
