//! What a command expects of the network: that the machine reaches itself.

/// Brings the loopback interface up, as every system does at boot; the kernel gives it 127.0.0.1 then
/// (netdevice(7), SIOCSIFFLAGS). A kernel without networking has none, and whoever needs it says so.
pub fn bring_loopback_up() {
    // SAFETY: plain calls on a socket and a structure of our own; an all-zero ifreq is valid.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if socket < 0 {
            return;
        }
        let mut interface: libc::ifreq = std::mem::zeroed();
        for (place, letter) in interface.ifr_name.iter_mut().zip(b"lo") {
            *place = *letter as libc::c_char;
        }
        if libc::ioctl(socket, libc::SIOCGIFFLAGS as _, &raw mut interface) == 0 {
            interface.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
            libc::ioctl(socket, libc::SIOCSIFFLAGS as _, &raw const interface);
        }
        libc::close(socket);
    }
}
