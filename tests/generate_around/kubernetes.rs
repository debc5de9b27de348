//! The manifests, read by the schemas of Kubernetes, and held against themselves and the program.

use super::{files_of, is_taken, said, tool, with_configuration, written};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

const ALL: [&str; 4] = ["generate", "kubernetes", "--image", "registry.example/iaasmon:1"];

/// The documents of a file.
fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n").skip(1).map(|one| serde_saphyr::from_str(one).unwrap()).collect()
}

fn of_kind<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    documents.iter().find(|one| one["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

fn validate(file: &Path) -> (bool, String) {
    let mut validate = Command::new(tool("kubernetes-validate", "kubernetes-validate", "whole/bin"));
    said(validate.arg("--strict").arg(file))
}

#[test]
fn kubernetes_takes_every_document() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.yaml");
    let text = written(&[&ALL[..], &["--detail-allow", "10.244.0.0/16", "--namespace", "watch"]].concat());
    std::fs::write(&file, &text).unwrap();
    let (good, report) = validate(&file);
    assert!(good, "{report}");
    let objects = [
        "configmap/iaasmon-proxy",
        "deployment/iaasmon-proxy",
        "service/iaasmon-proxy",
        "poddisruptionbudget/iaasmon-proxy",
        "networkpolicy/iaasmon-proxy",
        "daemonset/iaasmon-node",
        "statefulset/iaasmon-pushgateway",
        "service/iaasmon-pushgateway",
    ];
    for object in objects {
        assert!(report.contains(&format!("passed for resource {object}")), "{object}: {report}");
    }
    let documents = documents(&text);
    assert_eq!(documents.len(), objects.len());
    assert!(documents.iter().all(|one| one["metadata"]["namespace"] == "watch"));
    std::fs::write(&file, text.replace("minReadySeconds:", "minReadySecond:")).unwrap();
    let (good, report) = validate(&file);
    assert!(!good && report.contains("minReadySecond"), "it would not have told: {report}");
}

#[test]
fn everything_that_picks_the_proxies_picks_them() {
    let documents = documents(&written(&ALL));
    let deployment = &of_kind(&documents, "Deployment")["spec"];
    let labels = &deployment["template"]["metadata"]["labels"];
    assert_eq!(labels["app.kubernetes.io/component"], "proxy");
    let pod = &deployment["template"]["spec"];
    let spread = &pod["topologySpreadConstraints"][0];
    let apart = &pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
    for selector in [
        &deployment["selector"]["matchLabels"],
        &spread["labelSelector"]["matchLabels"],
        &apart["labelSelector"]["matchLabels"],
        &of_kind(&documents, "Service")["spec"]["selector"],
        &of_kind(&documents, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        &of_kind(&documents, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ] {
        assert_eq!(selector, labels);
    }
    // Two that are never on one machine, and each a target of its own.
    assert_eq!(
        (&deployment["replicas"], &apart["topologyKey"]),
        (&json!(2), &json!("kubernetes.io/hostname"))
    );
    assert_eq!(spread["whenUnsatisfiable"], "ScheduleAnyway");
    assert_eq!(of_kind(&documents, "Service")["spec"]["clusterIP"], "None");
    assert_eq!(of_kind(&documents, "PodDisruptionBudget")["spec"]["maxUnavailable"], 1);
    let daemons = &of_kind(&documents, "DaemonSet")["spec"];
    assert_eq!(daemons["selector"]["matchLabels"], daemons["template"]["metadata"]["labels"]);
}

#[test]
fn everything_that_picks_the_pushgateway_picks_it_alone() {
    let documents = documents(&written(&[&ALL[..], &["pushgateway"]].concat()));
    let set = &of_kind(&documents, "StatefulSet")["spec"];
    let labels = &set["template"]["metadata"]["labels"];
    assert_eq!(labels["app.kubernetes.io/component"], "pushgateway");
    let service = of_kind(&documents, "Service");
    assert_eq!((&set["selector"]["matchLabels"], &service["spec"]["selector"]), (labels, labels));
    assert_eq!(set["serviceName"], service["metadata"]["name"]);
    // Two of them would each hold a half; one has its file on the disk that is claimed for it.
    assert_eq!(set["replicas"], 1);
    let container = &set["template"]["spec"]["containers"][0];
    let claimed = &set["volumeClaimTemplates"][0]["metadata"]["name"];
    assert_eq!(&container["volumeMounts"][0]["name"], claimed);
    let folder = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    let file = format!("--persistence.file={folder}/pushgateway.redb");
    assert!(container["args"].as_array().unwrap().contains(&json!(file)), "{}", container["args"]);
}

#[test]
fn pods_without_plugins_are_such_as_a_restricted_namespace_takes() {
    let documents = documents(&written(&ALL));
    for (kind, folders) in
        [("Deployment", &["/etc/iaasmon", "/var/lib/iaasmon"][..]), ("StatefulSet", &["/var/lib/iaasmon"])]
    {
        is_restricted(&of_kind(&documents, kind)["spec"]["template"]["spec"], folders);
    }
}

/// Holds a pod to the rules of a restricted namespace; `folders` is what is mounted in it.
fn is_restricted(pod: &Value, folders: &[&str]) {
    let container = &pod["containers"][0];
    // https://kubernetes.io/docs/concepts/security/pod-security-standards: restricted.
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let context = &container["securityContext"];
    assert_eq!(context["allowPrivilegeEscalation"], false);
    assert_eq!(context["capabilities"], json!({ "drop": ["ALL"] }));
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        assert_eq!(pod[host], Value::Null);
    }
    let volumes = pod["volumes"].as_array().into_iter().flatten();
    assert!(volumes.map(|volume| &volume["hostPath"]).all(Value::is_null));
    // It writes to what is mounted for it, and nowhere else.
    assert_eq!(context["readOnlyRootFilesystem"], true);
    let mounts: Vec<&str> = container["volumeMounts"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|mount| mount["mountPath"].as_str())
        .collect();
    assert_eq!(mounts, folders);
    for (probe, path) in [("livenessProbe", "/-/healthy"), ("readinessProbe", "/-/ready")] {
        assert_eq!(container[probe]["httpGet"]["path"], path);
    }
}

#[test]
fn the_program_takes_the_arguments_of_its_containers_and_its_configuration() {
    let text = written(&[&ALL[..], &["--cluster", "prod-east", "--detail-allow", "10.244.0.0/16"]].concat());
    let documents = documents(&text);
    for (kind, port) in [("Deployment", 10106), ("DaemonSet", 10105), ("StatefulSet", 9091)] {
        let container = &of_kind(&documents, kind)["spec"]["template"]["spec"]["containers"][0];
        let args = container["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap().to_owned());
        is_taken(&std::iter::once("iaasmon".to_owned()).chain(args).collect::<Vec<_>>());
        assert_eq!(container["ports"][0]["containerPort"], port);
    }
    let config = of_kind(&documents, "ConfigMap")["data"]["config.toml"].as_str().unwrap();
    let checked = with_configuration(config, &["config", "check"]);
    assert_eq!(checked.code, Some(0), "{config}\n{}{}", checked.stdout, checked.stderr);
    assert!(config.contains("name = \"prod-east\"") && config.matches("timeout").count() == 1, "{config}");
}

const TWO: &str = r#"
[[cluster]]
name = "east"
alertmanager = ["http://10.1.0.1:9093", "https://am.east/alertmanager"]
detail_url = "http://{instance}/api/v1/checks/{check}"
tls = { ca = "/etc/iaasmon/tls/ca.pem" }
[[cluster]]
name = "west"
alertmanager = ["http://am.west:9093"]
auth = { bearer = "secret-of-west" }
[[enrich]]
match = ["job=\"x\""]
copy = ["playbook"]
[[enrich]]
"#;

#[test]
fn the_configuration_of_the_cluster_is_that_of_its_proxies() {
    let args = |cluster| [&ALL[..], &["proxy", "--cluster", cluster]].concat();
    let east = with_configuration(TWO, &args("east"));
    assert_eq!(east.code, Some(0), "{}", east.stderr);
    assert!(east.stdout.contains("mount them into the Deployment from a Secret"), "{}", east.stdout);
    let documents = documents(&east.stdout);
    let config = of_kind(&documents, "ConfigMap")["data"]["config.toml"].as_str().unwrap();
    for part in ["https://am.east/alertmanager", "/etc/iaasmon/tls/ca.pem", "playbook"] {
        assert!(config.contains(part), "{part} is not in {config}");
    }
    assert!(!config.contains("west"), "{config}");
    // The proxies reach the Alertmanagers on their ports.
    let policy = of_kind(&documents, "NetworkPolicy");
    let ports: Vec<&Value> =
        policy["spec"]["egress"][1]["ports"].as_array().unwrap().iter().map(|port| &port["port"]).collect();
    assert_eq!(ports, [443, 9093]);
    // Everybody who may read objects reads a ConfigMap.
    let west = with_configuration(TWO, &args("west"));
    assert_eq!(west.code, Some(2), "{}", west.stdout);
    assert!(
        west.stderr.contains("bearer_file") && !west.stderr.contains("secret-of-west"),
        "{}",
        west.stderr
    );
    let image = with_configuration(TWO, &["generate", "kubernetes", "proxy", "--cluster", "east"]);
    assert_eq!(image.code, Some(2), "an image that nobody named: {}", image.stdout);
}

#[test]
fn a_folder_gets_a_file_for_each_and_is_compared_file_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().to_str().unwrap();
    written(&[&ALL[..], &["--out", name]].concat());
    let files = files_of(folder.path());
    let names = ["iaasmon-node.yaml", "iaasmon-proxy.yaml", "iaasmon-pushgateway.yaml"];
    assert_eq!(files.keys().collect::<Vec<_>>(), names);
    // Together they are what is printed as one.
    let without_head = |text: &str| text.split_once('\n').unwrap().1.to_owned();
    let [node, proxy, pushgateway] = names.map(|name| without_head(&files[name]));
    assert_eq!(without_head(&written(&ALL)), proxy + &node + &pushgateway);
    written(&[&ALL[..], &["--check", name]].concat());
    let file = folder.path().join("iaasmon-proxy.yaml");
    std::fs::write(&file, files["iaasmon-proxy.yaml"].replace("replicas: 2", "replicas: 1")).unwrap();
    let differs = super::iaasmon(&[&ALL[..], &["--check", name]].concat());
    assert_eq!(differs.code, Some(1), "{}", differs.stderr);
    assert!(differs.stderr.contains("replicas: 1"), "{}", differs.stderr);
}
