//! The checks of a simulated node: what an OpenStack and Kubernetes team runs.

use super::Role;
use std::borrow::Cow;

/// What a check looks at, which decides what its output looks like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Family {
    Disk(&'static str),
    Load,
    Memory,
    Certificate,
    Smart,
    Sensors,
    Ntp,
    Dns,
    Raid,
    Service(&'static str),
    Ceph,
    Http(&'static str),
    Ping,
    Kubelet,
    Queue,
    Puppet,
    /// One number with a unit and a bound: name of the measure, usual value, warning bound.
    Gauge(&'static str, f64, f64),
}

/// A check as it is defined on a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Its name, the label `check`.
    pub name: Cow<'static, str>,
    /// Its number, unique among the checks of a node.
    pub number: u32,
    /// Seconds between two runs.
    pub interval: u32,
    pub(super) family: Family,
}

use Family::{
    Ceph, Certificate, Disk, Dns, Gauge, Http, Kubelet, Load, Memory, Ntp, Ping, Puppet, Queue, Raid,
};
use Family::{Sensors, Service, Smart};

/// What every node runs. The scenarios speak of the first ten by name, so that a small demo has them.
const COMMON: [(&str, u32, Family); 36] = [
    ("check_disk_root", 30, Disk("/")),
    ("check_disk_var", 10, Disk("/var")),
    ("check_load", 10, Load),
    ("check_memory", 10, Memory),
    ("check_cert_expiry", 60, Certificate),
    ("check_smart", 60, Smart),
    ("check_ipmi_sensors", 10, Sensors),
    ("check_ntp", 10, Ntp),
    ("check_dns", 10, Dns),
    ("check_journald", 10, Service("systemd-journald")),
    ("check_raid", 60, Raid),
    ("check_disk_boot", 60, Disk("/boot")),
    ("check_disk_tmp", 60, Disk("/tmp")),
    ("check_swap", 30, Gauge("swap_used_percent", 3.0, 40.0)),
    ("check_inodes", 60, Gauge("inodes_used_percent", 11.0, 85.0)),
    ("check_bond", 30, Gauge("bond0_slaves_down", 0.0, 1.0)),
    ("check_nic_errors", 30, Gauge("rx_errors_per_second", 0.0, 5.0)),
    ("check_conntrack", 30, Gauge("conntrack_used_percent", 22.0, 80.0)),
    ("check_zombies", 30, Gauge("zombie_processes", 1.0, 20.0)),
    ("check_ssh", 30, Service("ssh")),
    ("check_cron", 60, Service("cron")),
    ("check_rsyslog", 60, Service("rsyslog")),
    ("check_chrony", 60, Service("chrony")),
    ("check_kernel_taint", 60, Gauge("kernel_taint", 0.0, 1.0)),
    ("check_reboot_required", 60, Gauge("pending_reboot_days", 0.0, 14.0)),
    ("check_systemd_failed", 30, Gauge("failed_units", 0.0, 1.0)),
    ("check_puppet_run", 60, Puppet),
    ("check_backup_age", 60, Gauge("backup_age_hours", 6.5, 26.0)),
    ("check_edac", 60, Gauge("corrected_errors", 0.0, 10.0)),
    ("check_cpu_temp", 30, Gauge("cpu_celsius", 54.0, 80.0)),
    ("check_fan", 30, Gauge("fans_stopped", 0.0, 1.0)),
    ("check_open_files", 30, Gauge("open_files_percent", 8.0, 80.0)),
    ("check_entropy", 60, Gauge("entropy_missing_bits", 0.0, 128.0)),
    ("check_uptime", 60, Gauge("restarts_today", 0.0, 2.0)),
    ("check_lldp", 60, Gauge("lldp_neighbours_missing", 0.0, 1.0)),
    ("check_gateway_ping", 10, Ping),
];

const HYPERVISOR: [(&str, u32, Family); 14] = [
    ("check_nova_compute", 10, Service("nova-compute")),
    ("check_libvirtd", 10, Service("libvirtd")),
    ("check_ovs_agent", 30, Service("neutron-openvswitch-agent")),
    ("check_ovs_vswitchd", 30, Service("ovs-vswitchd")),
    ("check_ovs_flows", 30, Gauge("flows_used_percent", 31.0, 90.0)),
    ("check_vm_count", 60, Gauge("vms_over_quota", 0.0, 1.0)),
    ("check_hugepages", 60, Gauge("hugepages_used_percent", 71.0, 98.0)),
    ("check_kvm_module", 60, Gauge("kvm_modules_missing", 0.0, 1.0)),
    ("check_ceph_client", 30, Gauge("rbd_op_ms", 2.1, 50.0)),
    ("check_iscsi", 30, Service("iscsid")),
    ("check_multipath", 30, Gauge("failed_paths", 0.0, 1.0)),
    ("check_placement", 60, Http("placement")),
    ("check_vm_zombies", 60, Gauge("vms_without_owner", 0.0, 1.0)),
    ("check_console_log", 60, Gauge("console_log_gib", 0.4, 5.0)),
];

const STORAGE: [(&str, u32, Family); 14] = [
    ("check_ceph_osd", 10, Service("ceph-osd@12")),
    ("check_ceph_health", 10, Ceph),
    ("check_ceph_mon", 30, Service("ceph-mon@a")),
    ("check_ceph_pg", 30, Gauge("pgs_not_active", 0.0, 1.0)),
    ("check_osd_latency", 30, Gauge("osd_commit_ms", 3.2, 60.0)),
    ("check_osd_fill", 30, Gauge("osd_used_percent", 61.0, 80.0)),
    ("check_scrub_age", 60, Gauge("oldest_scrub_days", 4.0, 14.0)),
    ("check_rgw", 30, Http("rgw")),
    ("check_mds", 30, Service("ceph-mds@a")),
    ("check_nvme_wear", 60, Gauge("nvme_wear_percent", 23.0, 85.0)),
    ("check_bluestore", 60, Gauge("slow_bluestore_ops", 0.0, 1.0)),
    ("check_crush_weight", 60, Gauge("crush_weight_drift", 0.0, 0.2)),
    ("check_journal_ssd", 60, Gauge("journal_wear_percent", 31.0, 85.0)),
    ("check_backfill", 60, Gauge("backfilling_pgs", 0.0, 200.0)),
];

const KUBERNETES: [(&str, u32, Family); 14] = [
    ("check_kubelet", 10, Kubelet),
    ("check_containerd", 10, Service("containerd")),
    ("check_kube_proxy", 30, Service("kube-proxy")),
    ("check_cni", 30, Service("cilium-agent")),
    ("check_node_ready", 10, Gauge("not_ready_conditions", 0.0, 1.0)),
    ("check_pod_restarts", 30, Gauge("restarts_per_hour", 1.0, 20.0)),
    ("check_image_gc", 60, Gauge("image_fs_percent", 44.0, 85.0)),
    ("check_pvc_mounts", 30, Gauge("stuck_mounts", 0.0, 1.0)),
    ("check_cgroup_mem", 30, Gauge("cgroups_at_limit", 0.0, 5.0)),
    ("check_coredns", 30, Dns),
    ("check_kube_certs", 60, Certificate),
    ("check_etcd_latency", 30, Gauge("etcd_fsync_ms", 4.0, 25.0)),
    ("check_evictions", 60, Gauge("evictions_per_hour", 0.0, 3.0)),
    ("check_pod_count", 60, Gauge("pods_percent", 58.0, 95.0)),
];

const CONTROL: [(&str, u32, Family); 14] = [
    ("check_rabbitmq", 10, Queue),
    ("check_keystone_api", 10, Http("keystone")),
    ("check_nova_api", 10, Http("nova")),
    ("check_neutron_api", 10, Http("neutron")),
    ("check_glance_api", 30, Http("glance")),
    ("check_cinder_api", 30, Http("cinder")),
    ("check_horizon", 30, Http("horizon")),
    ("check_galera", 10, Gauge("galera_nodes_missing", 0.0, 1.0)),
    ("check_memcached", 30, Service("memcached")),
    ("check_haproxy", 10, Service("haproxy")),
    ("check_keepalived", 10, Service("keepalived")),
    ("check_nova_scheduler", 30, Service("nova-scheduler")),
    ("check_neutron_dhcp", 30, Service("neutron-dhcp-agent")),
    ("check_heat_api", 30, Http("heat")),
];

/// Returns the first `count` checks of a node with this role; beyond the fifty known, further ones are numbered.
pub(super) fn of(role: Role, count: u16) -> Vec<Check> {
    let own = match role {
        Role::Hypervisor => HYPERVISOR,
        Role::Storage => STORAGE,
        Role::Kubernetes => KUBERNETES,
        Role::Control => CONTROL,
    };
    let known =
        COMMON.into_iter().chain(own).map(|(name, interval, family)| (Cow::Borrowed(name), interval, family));
    let further =
        (51..).map(|number| (format!("check_site_{number:03}").into(), 60, Gauge("site_value", 1.0, 90.0)));
    known
        .chain(further)
        .take(count.into())
        .zip(0..)
        .map(|((name, interval, family), number)| Check { name, number, interval, family })
        .collect()
}
