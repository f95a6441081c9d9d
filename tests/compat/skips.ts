/** Suites that may skip themselves as a whole, each with the reason. Any other skip is a failure. */
export const ALLOWED_SKIPS: Readonly<Record<string, string>> = {
  container_devices_gpu: "needs a graphics card",
  container_devices_infiniband_physical: "needs an InfiniBand card",
  container_devices_infiniband_sriov: "needs an InfiniBand card with virtual functions",
  container_devices_nic_sriov: "needs a network card with virtual functions",
  container_devices_tpm: "needs the kernel module of a virtual TPM",
  storage_driver_ceph: "needs a Ceph cluster",
  storage_driver_cephfs: "needs a Ceph cluster",
};
