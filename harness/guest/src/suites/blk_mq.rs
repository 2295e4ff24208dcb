//! The multi-queue block layer, through null_blk devices.

use crate::{Case, Need, Suite, cases};

mod data;
mod device;
mod errors;
mod ioctls;
mod limits;
mod queues;
mod removal;
mod schedulers;

use {data::*, errors::*, ioctls::*, limits::*, queues::*, removal::*, schedulers::*};

pub const SUITE: Suite = Suite {
    name: "blk_mq",
    about: "the multi-queue block layer, through null_blk devices",
    needs: &[Need::Module { symbol: "BLK_DEV_NULL_BLK", module: "null_blk" }],
    cases: CASES,
};

const DEADLINE: Need = Need::Module { symbol: "MQ_IOSCHED_DEADLINE", module: "mq_deadline" };
const KYBER: Need = Need::Module { symbol: "MQ_IOSCHED_KYBER", module: "kyber_iosched" };
const BFQ: Need = Need::Module { symbol: "IOSCHED_BFQ", module: "bfq" };
const STRICT: Need = Need::Since { major: 5, minor: 14, what: "mq-deadline that refuses what is no number" };
const WRAP: Need = Need::Since { major: 6, minor: 1, what: "EINVAL for a discard that wraps (EIO in 5.10)" };
const SEQUENCE: Need = Need::Since { major: 5, minor: 15, what: "diskseq and BLKGETDISKSEQ" };
const BOTH_CPUS: Need = Need::Cpus(2);
const ZONES: Need = Need::Config("BLK_DEV_ZONED");

const CASES: &[Case] = cases! {
    every_cpu_has_exactly_one_queue: "Documentation/block/blk-mq.rst: software queues are mapped to hardware queues";
    two_submission_queues_share_the_cpus: "Documentation/block/null_blk.rst: submit_queues, the number of submission queues attached to the driver", needs [BOTH_CPUS];
    hardware_queue_has_the_depth_it_was_given: "Documentation/block/null_blk.rst: hw_queue_depth";
    no_more_is_in_flight_than_the_depth_allows: "Documentation/block/null_blk.rst: hw_queue_depth; blk-mq.rst: tags";
    completion_takes_the_time_it_was_given: "Documentation/block/null_blk.rst: irqmode 2 and completion_nsec";
    nr_requests_has_a_floor: "Documentation/ABI/stable/sysfs-block: nr_requests";
    nr_requests_never_exceeds_the_tags: "Documentation/ABI/stable/sysfs-block: nr_requests";

    none_is_always_offered: "Documentation/block/switching-sched.rst";
    unknown_scheduler_is_refused_and_changes_nothing: "Documentation/block/switching-sched.rst";
    none_moves_every_byte: "Documentation/block/blk-mq.rst: none, no reordering";
    mq_deadline_moves_every_byte: "Documentation/block/deadline-iosched.rst", needs [DEADLINE];
    kyber_moves_every_byte: "Documentation/block/kyber-iosched.rst", needs [KYBER];
    bfq_moves_every_byte: "Documentation/block/bfq-iosched.rst", needs [BFQ];
    none_moves_every_byte_of_two_queues: "Documentation/block/blk-mq.rst: hardware dispatch queues; none", needs [BOTH_CPUS];
    mq_deadline_moves_every_byte_of_two_queues: "Documentation/block/blk-mq.rst; deadline-iosched.rst", needs [DEADLINE, BOTH_CPUS];
    kyber_moves_every_byte_of_two_queues: "Documentation/block/blk-mq.rst; kyber-iosched.rst", needs [KYBER, BOTH_CPUS];
    bfq_moves_every_byte_of_two_queues: "Documentation/block/blk-mq.rst; bfq-iosched.rst", needs [BFQ, BOTH_CPUS];
    switching_under_load_loses_no_request: "Documentation/block/switching-sched.rst: on the fly", needs [DEADLINE, KYBER, BFQ];
    switching_under_load_loses_no_request_of_two_queues: "Documentation/block/switching-sched.rst: on the fly", needs [DEADLINE, KYBER, BFQ, BOTH_CPUS];
    tunables_come_and_go_with_their_scheduler: "Documentation/block/switching-sched.rst: tunables under queue/iosched", needs [DEADLINE];
    mq_deadline_keeps_its_tunables: "Documentation/block/deadline-iosched.rst", needs [DEADLINE, STRICT];
    kyber_keeps_its_tunables: "Documentation/block/kyber-iosched.rst", needs [KYBER];
    bfq_keeps_its_tunables: "Documentation/block/bfq-iosched.rst: low_latency is enabled by default", needs [BFQ];

    new_device_reads_as_zeros: "Documentation/block/null_blk.rst: memory_backed";
    written_bytes_are_read_back_at_every_size: "pwrite(2), pread(2)";
    write_touches_nothing_beside_it: "pwrite(2)";
    buffered_write_is_on_the_device_after_fsync: "fsync(2): transfers all modified in-core data to the disk device";
    direct_write_is_seen_by_buffered_readers: "open(2) O_DIRECT NOTES: the page cache is invalidated";
    nothing_is_read_or_written_beyond_the_end: "write(2) ERRORS: ENOSPC; pread(2): 0 at the end";
    direct_io_keeps_to_the_block_size: "open(2) O_DIRECT NOTES: alignment to the logical block size";
    direct_io_refuses_memory_at_an_odd_address: "open(2) O_DIRECT NOTES: EINVAL for misaligned I/Os";
    discarded_blocks_are_gone_and_others_are_not: "Documentation/block/null_blk.rst: discard; blkdiscard(8)";
    device_without_discard_refuses_it: "Documentation/ABI/stable/sysfs-block: discard_max_bytes of 0 means no discard";
    discard_outside_its_rules_is_refused: "block/ioctl.c BLKDISCARD: aligned to 512, inside the device, open for writing", needs [WRAP];
    zeroed_blocks_read_as_zeros_and_others_do_not: "include/uapi/linux/fs.h BLKZEROOUT; blkdiscard(8) --zeroout";
    zeroing_throws_away_what_was_cached: "include/uapi/linux/fs.h BLKZEROOUT: the page cache is invalidated";
    fallocate_zeroes_and_never_allocates: "fallocate(2) FALLOC_FL_ZERO_RANGE; ERRORS: EOPNOTSUPP";
    fsync_flushes_a_device_with_a_cache: "Documentation/block/writeback_cache_control.rst";
    fsync_flushes_no_device_without_a_cache: "Documentation/block/writeback_cache_control.rst";

    size_is_the_same_everywhere: "include/uapi/linux/fs.h BLKGETSIZE, BLKGETSIZE64; Documentation/ABI/stable/sysfs-block: size";
    block_sizes_are_what_was_asked_for: "Documentation/ABI/stable/sysfs-block: logical_block_size, physical_block_size";
    read_only_device_refuses_writes_until_it_is_not: "include/uapi/linux/fs.h BLKROSET; Documentation/ABI/stable/sysfs-block: ro";
    read_ahead_is_one_setting_with_two_faces: "Documentation/ABI/stable/sysfs-block: read_ahead_kb; BLKRASET";
    unknown_request_is_enotty: "ioctl(2) ERRORS: ENOTTY";
    settings_of_the_device_need_privilege: "capabilities(7) CAP_SYS_ADMIN";
    exclusive_open_excludes_the_next: "open(2) O_EXCL: a block device in use fails with EBUSY";
    disk_sequence_grows_with_every_disk: "Documentation/ABI/stable/sysfs-block: diskseq, a monotonically increasing number", needs [SEQUENCE];
    partition_maps_its_part_of_the_disk: "include/uapi/linux/blkpg.h";
    flushed_buffers_are_read_anew: "include/uapi/linux/fs.h BLKFLSBUF";

    bad_sector_is_eio_and_its_neighbours_are_not: "read(2), write(2) ERRORS: EIO";
    mended_sector_works_again: "Documentation/block/null_blk.rst; read(2)";
    failed_write_changes_nothing: "write(2) ERRORS: EIO";
    buffered_read_of_a_bad_sector_is_eio: "read(2) ERRORS: EIO";
    lost_write_is_told_by_fsync_once: "fsync(2) ERRORS: EIO; Documentation/filesystems/vfs.rst: Handling errors during writeback";
    lost_write_is_told_to_every_descriptor: "Documentation/filesystems/vfs.rst: reported to each open file";
    direct_io_beside_bad_sectors_goes_on: "read(2), write(2)";

    removal_under_io_ends_every_request: "block/genhd.c del_gendisk: waits for outstanding I/O";
    removed_device_is_gone_from_everywhere: "Documentation/block/null_blk.rst; Documentation/filesystems/configfs.rst";
    descriptor_outlives_its_device: "block/genhd.c del_gendisk: new I/O fails";
    device_comes_and_goes_twenty_times: "Documentation/filesystems/configfs.rst: mkdir and rmdir";
    switched_off_device_can_be_changed_and_switched_on: "Documentation/filesystems/configfs.rst: attributes";
    busy_module_is_not_unloaded: "delete_module(2): with O_NONBLOCK and a nonzero count, EWOULDBLOCK";

    max_sectors_kb_never_exceeds_the_hardware: "Documentation/ABI/stable/sysfs-block: max_sectors_kb";
    large_write_is_split_at_the_limit: "Documentation/ABI/stable/sysfs-block: max_sectors_kb";
    every_request_is_counted: "Documentation/block/stat.rst";
    nothing_is_counted_without_iostats: "Documentation/ABI/stable/sysfs-block: iostats";
    switches_take_0_and_1_and_show_them: "Documentation/ABI/stable/sysfs-block";
    zones_cover_the_device_and_start_empty: "include/uapi/linux/blkzoned.h BLKREPORTZONE", needs [ZONES];
    zone_is_written_at_its_pointer_only: "Documentation/block/null_blk.rst: zoned; sequential zones", needs [ZONES];
    reset_zone_is_written_from_its_start: "include/uapi/linux/blkzoned.h BLKRESETZONE", needs [ZONES];
};
