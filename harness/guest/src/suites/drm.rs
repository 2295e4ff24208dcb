//! The direct rendering manager, through vgem, a device of memory alone.

use crate::{Case, Need, Suite, cases};

mod buffers;
mod device;
mod fences;
mod nodes;
mod sharing;

use {buffers::*, fences::*, nodes::*, sharing::*};

pub const SUITE: Suite = Suite {
    name: "drm",
    about: "the direct rendering manager, through vgem",
    needs: &[Need::Module { symbol: "DRM_VGEM", module: "vgem" }],
    cases: CASES,
};

const SYNC_FILES: Need = Need::Since { major: 6, minor: 0, what: "DMA_BUF_IOCTL_EXPORT_SYNC_FILE" };

const CASES: &[Case] = cases! {
    device_has_a_primary_and_a_render_node: "Documentation/gpu/drm-uapi.rst: Render nodes";
    version_is_told_as_far_as_there_is_room: "include/uapi/drm/drm.h DRM_IOCTL_VERSION";
    capabilities_are_told_and_unknown_ones_refused: "Documentation/gpu/drm-uapi.rst; include/uapi/drm/drm.h DRM_IOCTL_GET_CAP";
    unknown_request_is_refused: "Documentation/gpu/drm-uapi.rst: Recommended IOCTL return values, EINVAL";
    render_node_refuses_what_is_not_rendering: "Documentation/gpu/drm-uapi.rst: Render nodes, no modesetting nor privileged ioctls";
    first_opener_is_master_and_alone: "Documentation/gpu/drm-uapi.rst: Primary Nodes, DRM Master and Authentication";
    mastership_is_handed_over: "Documentation/gpu/drm-uapi.rst: Primary Nodes, DRM Master and Authentication";
    nobody_becomes_no_master: "drivers/gpu/drm/drm_auth.c drm_master_check_perm: EACCES";
    magic_authenticates_a_client: "Documentation/gpu/drm-uapi.rst: Primary Nodes, DRM Master and Authentication";
    anyone_who_may_open_it_renders: "Documentation/gpu/drm-uapi.rst: Render nodes, no authentication is needed";

    dumb_buffer_is_large_enough_and_empty: "Documentation/gpu/drm-kms.rst: Dumb Buffer Objects";
    dumb_buffer_keeps_what_is_written: "Documentation/gpu/drm-kms.rst: Dumb Buffer Objects";
    dumb_buffer_of_no_size_or_too_much_is_refused: "include/uapi/drm/drm_mode.h DRM_IOCTL_MODE_CREATE_DUMB";
    unknown_handles_are_refused: "Documentation/gpu/drm-uapi.rst: ENOENT; drm_gem.c drm_gem_handle_delete: EINVAL";
    closed_handle_is_unknown: "Documentation/gpu/drm-mm.rst: GEM Objects Naming; DRM_IOCTL_GEM_CLOSE";
    handle_belongs_to_its_file: "Documentation/gpu/drm-mm.rst: handles are local to a DRM file";
    mapping_outlives_the_handle: "Documentation/gpu/drm-mm.rst: GEM Objects Lifetime";
    closing_the_file_frees_its_buffers: "Documentation/gpu/drm-mm.rst: GEM Objects Lifetime";
    global_name_opens_the_same_buffer: "Documentation/gpu/drm-mm.rst: GEM Objects Naming, flink";

    exported_buffer_is_the_same_memory: "Documentation/gpu/drm-mm.rst: PRIME Buffer Sharing";
    imported_buffer_is_the_same_memory: "Documentation/gpu/drm-mm.rst: PRIME Buffer Sharing";
    second_import_gives_the_same_handle: "Documentation/gpu/drm-mm.rst: PRIME Helpers, a buffer has one handle per file";
    exported_buffer_outlives_its_file: "Documentation/gpu/drm-mm.rst: PRIME Buffer Sharing, reference counting";
    export_honours_its_flags_and_no_others: "include/uapi/drm/drm.h DRM_CLOEXEC, DRM_RDWR";
    import_takes_dma_bufs_only: "Documentation/driver-api/dma-buf.rst; dma_buf_get";
    process_without_privilege_shares_buffers: "Documentation/gpu/drm-uapi.rst: Render nodes, PRIME";

    write_fence_holds_readers_until_it_is_signalled: "Documentation/driver-api/dma-buf.rst: Implicit Fence Poll Support; include/uapi/drm/vgem_drm.h";
    read_fence_holds_writers_only: "Documentation/driver-api/dma-buf.rst: Implicit Fence Poll Support";
    busy_buffer_takes_no_second_writer: "drivers/gpu/drm/vgem/vgem_fence.c: EBUSY";
    unknown_fence_cannot_be_signalled: "drivers/gpu/drm/vgem/vgem_fence.c: ENOENT";
    sync_file_follows_the_fence: "include/uapi/linux/dma-buf.h DMA_BUF_IOCTL_EXPORT_SYNC_FILE", needs [SYNC_FILES];
    sync_objects_are_there_when_promised: "include/uapi/drm/drm.h DRM_CAP_SYNCOBJ";
};
