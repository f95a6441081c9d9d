/**
 * LXD's suites for one server (those for clusters are not here yet), with about how long they take.
 * `required` suites must pass: `tools/test --all` runs them.
 */

export interface Suite {
  readonly name: string;
  /** With LXD 5.0.2 itself, two at a time on two cores. */
  readonly seconds: number;
  readonly required?: true;
  /** It calls an editor, which wants a terminal. */
  readonly terminal?: true;
  /** It does nothing unless it is told how many containers to run at once. */
  readonly parallel?: true;
  /** What the machine must have, or LXD fails in it too. */
  readonly needs?: string;
  /** The command that runs it where it passes. */
  readonly elsewhere?: string;
  /** A tool that it calls, and that is hidden from the others. */
  readonly tool?: string;
}

/** A VM of User-Mode-Linux, whose kernel has modules that the hosts of tests may lack. */
export const IN_VM = "tools/test vm compat_kernel";

/** A VM of QEMU with Debian's kernel, which has VLAN links and nftables too. */
export const IN_QEMU = "tools/test vm compat_nic";

export const SUITES: readonly Suite[] = [
  { name: "backup_export", seconds: 17, required: true },
  { name: "backup_import", seconds: 41, required: true },
  { name: "backup_rename", seconds: 6, required: true },
  { name: "backup_volume_export", seconds: 14, required: true },
  { name: "backup_volume_rename_delete", seconds: 4, required: true },
  { name: "basic_usage", seconds: 73, required: true },
  { name: "certificate_edit", seconds: 5, required: true },
  { name: "check_deps", seconds: 4, required: true },
  { name: "cloud_init", seconds: 6, required: true },
  { name: "concurrent", seconds: 60, required: true, parallel: true },
  { name: "concurrent_exec", seconds: 60, required: true, parallel: true },
  { name: "config_edit", seconds: 5, required: true, terminal: true },
  { name: "config_edit_container_snapshot_pool_config", seconds: 5, required: true },
  { name: "config_profiles", seconds: 16, required: true },
  { name: "console", seconds: 6, required: true },
  { name: "container_devices_disk", seconds: 6, needs: "vfat in the kernel", elsewhere: IN_VM },
  { name: "container_devices_disk_restricted", seconds: 8, required: true },
  { name: "container_devices_gpu", seconds: 5 },
  { name: "container_devices_infiniband_physical", seconds: 5 },
  { name: "container_devices_infiniband_sriov", seconds: 5 },
  { name: "container_devices_nic_bridged", seconds: 14, needs: "act_police in the kernel" },
  { name: "container_devices_nic_bridged_acl", seconds: 42, required: true },
  { name: "container_devices_nic_bridged_filtering", seconds: 144, required: true },
  {
    name: "container_devices_nic_bridged_vlan",
    seconds: 6,
    needs: "VLAN filtering in the kernel",
    elsewhere: IN_QEMU,
  },
  {
    name: "container_devices_nic_ipvlan",
    seconds: 4,
    needs: "dummy links and ipvlan in the kernel",
    elsewhere: IN_VM,
  },
  {
    name: "container_devices_nic_macvlan",
    seconds: 5,
    needs: "dummy links in the kernel",
    elsewhere: IN_VM,
  },
  {
    name: "container_devices_nic_p2p",
    seconds: 5,
    needs: "act_police in the kernel",
    elsewhere: IN_VM,
  },
  {
    name: "container_devices_nic_physical",
    seconds: 5,
    needs: "dummy links in the kernel",
    elsewhere: IN_VM,
  },
  {
    name: "container_devices_nic_routed",
    seconds: 12,
    needs: "VLAN links in the kernel",
    elsewhere: IN_QEMU,
  },
  { name: "container_devices_nic_sriov", seconds: 5 },
  { name: "container_devices_proxy", seconds: 81, required: true },
  { name: "container_devices_tpm", seconds: 4 },
  { name: "container_devices_unix_block", seconds: 20, required: true },
  { name: "container_devices_unix_char", seconds: 19, required: true },
  { name: "container_local_cross_pool_handling", seconds: 17, required: true },
  { name: "container_metadata", seconds: 5, required: true },
  { name: "container_recover", seconds: 18, required: true },
  { name: "container_snapshot_config", seconds: 6, terminal: true, required: true },
  {
    name: "database_no_disk_space",
    seconds: 11,
    // What follows a full disk is in tests/kernel/full_pool_test.ts.
    needs: "a database that needs more than 14 MB for 5: ours does not fill the disk",
  },
  { name: "database_restore", seconds: 8, required: true },
  { name: "devlxd", seconds: 40, required: true },
  { name: "exec", seconds: 12, required: true },
  { name: "fdleak", seconds: 15, required: true },
  { name: "filemanip", seconds: 9, required: true },
  { name: "filtering", seconds: 8, required: true },
  { name: "fuidshift", seconds: 4, required: true },
  { name: "idmap", seconds: 20, required: true },
  { name: "image_auto_update", seconds: 10, required: true },
  { name: "image_expiry", seconds: 10, required: true },
  { name: "image_import_dir", seconds: 6, required: true },
  { name: "image_list_all_aliases", seconds: 5, required: true },
  { name: "image_prefer_cached", seconds: 10, required: true },
  { name: "image_refresh", seconds: 10, required: true },
  { name: "incremental_copy", seconds: 18, required: true },
  { name: "init_auto", seconds: 7, required: true },
  { name: "init_interactive", seconds: 8, required: true },
  { name: "init_preseed", seconds: 7, required: true },
  { name: "kernel_limits", seconds: 6, required: true },
  {
    name: "macaroon_auth",
    seconds: 4,
    needs: "an identity server: the one of the suite is not built",
  },
  { name: "metrics", seconds: 7, required: true },
  { name: "migration", seconds: 76, required: true },
  { name: "network", seconds: 19, required: true },
  { name: "network_acl", seconds: 6, required: true },
  { name: "network_forward", seconds: 6, required: true },
  { name: "network_zone", seconds: 10, required: true },
  { name: "pki", seconds: 4, required: true },
  { name: "profiles_project_default", seconds: 11, required: true },
  { name: "profiles_project_images", seconds: 11, required: true },
  { name: "profiles_project_images_profiles", seconds: 11, required: true },
  { name: "profiles_project_profiles", seconds: 11, required: true },
  { name: "projects_backups", seconds: 6, required: true },
  { name: "projects_containers", seconds: 10, required: true },
  { name: "projects_crud", seconds: 4, required: true },
  { name: "projects_default", seconds: 5, required: true },
  { name: "projects_images", seconds: 17, required: true },
  { name: "projects_images_default", seconds: 6, required: true },
  { name: "projects_limits", seconds: 8, needs: "LVM", tool: "lvm" },
  { name: "projects_network", seconds: 6, required: true },
  { name: "projects_profiles", seconds: 4, required: true },
  { name: "projects_profiles_default", seconds: 7, required: true },
  { name: "projects_restrictions", seconds: 8, required: true },
  { name: "projects_snapshots", seconds: 10, required: true },
  { name: "projects_storage", seconds: 4, required: true },
  { name: "projects_usage", seconds: 5, required: true },
  { name: "query", seconds: 6, required: true },
  { name: "remote_admin", seconds: 4, required: true },
  { name: "remote_url", seconds: 4, required: true },
  { name: "remote_usage", seconds: 18, required: true },
  { name: "resources", seconds: 4, required: true },
  { name: "security", seconds: 17, required: true },
  { name: "security_protection", seconds: 13, required: true },
  { name: "server_config", seconds: 11, required: true },
  { name: "snap_expiry", seconds: 8, required: true },
  { name: "snap_restore", seconds: 13, required: true },
  { name: "snap_schedule", seconds: 12, required: true },
  { name: "snap_volume_db_recovery", seconds: 8, required: true },
  { name: "snapshots", seconds: 6, required: true },
  { name: "sql", seconds: 5, required: true },
  { name: "storage", seconds: 13, required: true },
  {
    name: "storage_driver_btrfs",
    seconds: 4,
    elsewhere: "tools/compat storage_driver_btrfs --backend btrfs",
  },
  { name: "storage_driver_ceph", seconds: 4 },
  { name: "storage_driver_cephfs", seconds: 4 },
  { name: "storage_local_volume_handling", seconds: 10, required: true },
  { name: "storage_profiles", seconds: 14, required: true },
  { name: "storage_volume_attach", seconds: 11, required: true },
  { name: "storage_volume_snapshots", seconds: 11, required: true },
  { name: "template", seconds: 18, required: true },
  { name: "tls_restrictions", seconds: 5, required: true },
  { name: "warnings", seconds: 5, required: true },
];
