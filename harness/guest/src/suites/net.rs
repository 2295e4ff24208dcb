//! Networking: sockets, descriptors over them, namespaces, rtnetlink and nf_tables.

use crate::{Case, Need, Suite, cases};

mod address;
mod inet;
mod inet6;
mod netlink;
mod nftables;
mod peer;
mod rights;
mod route;
mod unix;

use {inet::*, inet6::*, nftables::*, peer::*, rights::*, route::*, unix::*};

pub const SUITE: Suite = Suite {
    name: "net",
    about: "sockets, descriptors and credentials over them, network namespaces, rtnetlink, nf_tables",
    needs: &[Need::Config("NET"), Need::Config("UNIX")],
    cases: CASES,
};

const INET: Need = Need::Config("INET");
const NAMESPACE: Need = Need::Config("NET_NS");
const INET6: Need = Need::Module { symbol: "IPV6", module: "ipv6" };
const PEERGROUPS: Need = Need::Since { major: 4, minor: 13, what: "SO_PEERGROUPS" };
const PIDFD: Need = Need::Since { major: 6, minor: 5, what: "SO_PEERPIDFD and SCM_PIDFD" };
const VETH: Need = Need::Module { symbol: "VETH", module: "veth" };
const NFT: Need = Need::Module { symbol: "NF_TABLES", module: "nf_tables" };
const NFT_IPV4: Need = Need::Config("NF_TABLES_IPV4");

const CASES: &[Case] = cases! {
    stream_delivers_every_byte_in_order: "tcp(7): a reliable, stream-oriented, full-duplex connection", needs [INET, NAMESPACE];
    connect_to_nobody_is_refused: "connect(2) ERRORS: ECONNREFUSED, ENETUNREACH; accept(2) ERRORS: EINVAL", needs [INET, NAMESPACE];
    address_in_use_and_foreign_address_are_refused: "bind(2) ERRORS: EADDRINUSE, EADDRNOTAVAIL, EACCES, EINVAL; ip(7)", needs [INET, NAMESPACE];
    reuseport_is_for_both_or_nobody: "socket(7) SO_REUSEPORT: each socket, including the first", needs [INET, NAMESPACE];
    backlog_bounds_the_connections_that_wait: "listen(2) backlog: the queue of completely established sockets", needs [INET, NAMESPACE];
    shutdown_closes_one_direction: "shutdown(2); send(2) ERRORS: EPIPE; MSG_NOSIGNAL", needs [INET, NAMESPACE];
    urgent_byte_goes_beside_the_stream: "tcp(7): out-of-band data, MSG_OOB, SIOCATMARK; socket(7) SO_OOBINLINE", needs [INET, NAMESPACE];
    peek_leaves_and_waitall_waits: "recv(2) MSG_PEEK, MSG_WAITALL, MSG_DONTWAIT", needs [INET, NAMESPACE];
    close_with_unread_bytes_resets: "RFC 2525 2.17: close with data unread sends a RST; recv(2) ECONNRESET", needs [INET, NAMESPACE];
    datagrams_keep_their_bounds: "udp(7); recv(2) MSG_TRUNC; send(2) ERRORS: EMSGSIZE, EDESTADDRREQ", needs [INET, NAMESPACE];
    datagram_to_nobody_comes_back_as_an_error: "udp(7): ECONNREFUSED on a connected socket", needs [INET, NAMESPACE];
    connected_datagrams_come_from_the_peer_only: "connect(2): the only address from which datagrams are received", needs [INET, NAMESPACE];

    ipv6_stream_goes_both_ways: "ipv6(7); tcp(7)", needs [INET6, NAMESPACE];
    ipv6_datagrams_keep_their_bounds: "ipv6(7); udp(7): ECONNREFUSED on a connected socket", needs [INET6, NAMESPACE];
    ipv6_socket_takes_ipv4_unless_told_not_to: "ipv6(7) IPV6_V6ONLY; v4-mapped-on-v6 addresses", needs [INET6, INET, NAMESPACE];
    ipv6_address_without_route_is_refused: "ipv6(7) sin6_scope_id; connect(2) ENETUNREACH; bind(2) EADDRNOTAVAIL, EINVAL", needs [INET6, NAMESPACE];

    each_type_keeps_its_bounds: "unix(7): SOCK_STREAM, SOCK_DGRAM and SOCK_SEQPACKET; recv(2) MSG_TRUNC";
    connections_end_and_datagrams_do_not: "unix(7) ERRORS: EPIPE, ECONNREFUSED; recv(2): end-of-file";
    abstract_name_is_found_while_its_socket_lives: "unix(7): abstract; ERRORS: EADDRINUSE, ECONNREFUSED, EPROTOTYPE";
    path_is_a_file_with_permissions: "unix(7) Pathname socket ownership and permissions";
    full_backlog_is_eagain: "listen(2) backlog; connect(2) ERRORS: EAGAIN for UNIX domain sockets";
    shutdown_of_a_pair_closes_one_direction: "shutdown(2)";
    send_buffer_fills_and_drains: "send(2) ERRORS: EAGAIN; poll(2) POLLOUT";
    peer_credentials_are_those_at_connect: "unix(7) SO_PEERCRED: in effect at connect(2) or socketpair(2)";
    peer_groups_are_those_at_connect: "include/uapi/asm-generic/socket.h SO_PEERGROUPS; net/core/sock.c: ERANGE; unix(7) SO_PEERCRED", needs [PEERGROUPS];
    peer_process_is_told_as_a_descriptor: "include/uapi/asm-generic/socket.h SO_PEERPIDFD; pidfd_open(2)", needs [PIDFD];
    sender_is_told_as_a_descriptor_to_whom_asked: "include/linux/socket.h SCM_PIDFD; SO_PASSPIDFD; pidfd_open(2)", needs [PIDFD];
    autobind_gives_five_hexadecimal_digits: "unix(7) Autobind feature";

    sealed_memory_is_handed_over: "memfd_create(2) File sealing: shared with a peer over a UNIX socket";
    received_descriptor_is_the_same_open_file: "unix(7) SCM_RIGHTS: the same open file description, as by dup(2)";
    cloexec_of_received_descriptors_is_as_asked: "recvmsg(2) MSG_CMSG_CLOEXEC";
    descriptors_in_flight_outlive_their_sender: "unix(7) SCM_RIGHTS: closed when the receiving socket is";
    one_message_carries_253_descriptors: "unix(7) SCM_RIGHTS: SCM_MAX_FD, 253; ERRORS: EINVAL";
    descriptors_without_room_are_dropped_and_told: "unix(7) SCM_RIGHTS: excess descriptors are closed; MSG_CTRUNC";
    bad_descriptors_and_headers_are_refused: "unix(7) ERRORS: EBADF; cmsg(3); sendmsg(2) ERRORS: EINVAL";
    descriptors_stay_with_their_bytes: "unix(7) SCM_RIGHTS: ancillary data forms a barrier";
    peek_shows_descriptors_and_keeps_them: "unix(7) SCM_RIGHTS; recv(2) MSG_PEEK";
    cycle_of_sockets_in_flight_is_collected: "net/unix/garbage.c: sockets in flight that nothing else refers to";
    credentials_are_told_to_whom_asked: "unix(7) SO_PASSCRED, SCM_CREDENTIALS";
    credentials_cannot_be_forged: "unix(7) SCM_CREDENTIALS: CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID; ERRORS: EPERM";
    credentials_are_the_senders_not_the_openers: "unix(7) SCM_CREDENTIALS: of the sending process";
    descriptors_do_not_pass_over_other_sockets: "unix(7) SCM_RIGHTS: UNIX domain sockets", needs [INET, NAMESPACE];
    full_descriptor_table_cuts_the_message: "unix(7) SCM_RIGHTS: RLIMIT_NOFILE; MSG_CTRUNC";
    sockets_of_a_pair_pass_themselves: "unix(7) SCM_RIGHTS: any descriptor, listening sockets too";

    new_namespace_has_a_loopback_that_is_down: "network_namespaces(7)", needs [INET, NAMESPACE];
    namespaces_do_not_see_each_other: "network_namespaces(7): ports, abstract names, /proc/net", needs [INET, NAMESPACE];
    socket_stays_in_its_namespace: "network_namespaces(7); setns(2): sockets keep theirs", needs [INET, NAMESPACE];
    namespace_needs_privilege: "unshare(2) ERRORS: EPERM; capabilities(7) CAP_NET_ADMIN, CAP_NET_RAW", needs [NAMESPACE];
    veth_joins_two_namespaces: "veth(4); rtnetlink(7) RTM_NEWLINK, RTM_NEWADDR", needs [VETH, INET, NAMESPACE];
    interface_changes_are_told_and_bad_ones_refused: "rtnetlink(7) RTM_NEWLINK, RTM_DELLINK; netdevice(7)", needs [INET, NAMESPACE];
    routes_decide_where_packets_go: "rtnetlink(7) RTM_NEWROUTE, RTM_DELROUTE: rtm_type", needs [INET, NAMESPACE];

    nft_rule_drops_exactly_what_it_names: "nft(8): rules, verdict statement; nf_tables.h", needs [NFT, NFT_IPV4, INET, NAMESPACE];
    nft_policy_decides_what_no_rule_does: "nft(8) Chains: policy", needs [NFT, NFT_IPV4, INET, NAMESPACE];
    nft_first_verdict_counts_and_jumps_come_back: "nft(8) verdict statement: accept, drop, jump, return", needs [NFT, NFT_IPV4, INET, NAMESPACE];
    nft_transaction_is_whole_or_nothing: "nft(8) -f: all commands are executed atomically; nfnetlink batches", needs [NFT, NFT_IPV4, INET, NAMESPACE];
    nft_bad_requests_are_refused: "nf_tables.h; netlink(7) NLM_F_EXCL; net/netfilter/nf_tables_api.c", needs [NFT, NFT_IPV4, INET, NAMESPACE];
    nft_set_holds_what_its_elements_say: "nft(8) Sets, Set elements", needs [NFT, NFT_IPV4, INET, NAMESPACE];
    nft_rules_are_the_namespaces_own: "network_namespaces(7): firewall rules", needs [NFT, NFT_IPV4, INET, NAMESPACE];
    nft_needs_privilege: "capabilities(7) CAP_NET_ADMIN: administration of IP firewall", needs [NFT, NFT_IPV4, INET, NAMESPACE];
};
