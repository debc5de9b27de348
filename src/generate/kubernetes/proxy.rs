//! The proxies: two, on different machines, found one by one.

use super::{Component, Options, head, indented};
use crate::config::{Config, Tls, to_toml};
use crate::generate::quoted;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// An Alertmanager's own port.
const ALERTMANAGER: u16 = 9093;
/// Where nodes are: the networks that the proxy asks by itself.
const NODES: [&str; 5] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];

/// Writes all documents of the proxies.
pub(super) fn documents(options: &Options) -> String {
    let head = |api: &str, kind: &str| head(api, kind, Component::Proxy, &options.namespace);
    let config = configuration(&options.config);
    let mut text = head("v1", "ConfigMap");
    if names_files(&options.config) {
        text += "# The certificates and tokens that it names are files: mount them into the Deployment from a Secret.\n";
    }
    text += "data:\n  config.toml: |\n";
    text += &indented(&config, 4);
    text += &head("apps/v1", "Deployment");
    text += &deployment(options, &config);
    text += &head("v1", "Service");
    text += SERVICE;
    text += &head("policy/v1", "PodDisruptionBudget");
    text += BUDGET;
    text += &head("networking.k8s.io/v1", "NetworkPolicy");
    text += &network_policy(&options.config);
    text
}

/// What the proxy has to know of the configuration, as TOML.
fn configuration(config: &Config) -> String {
    let whole = to_toml(config, None);
    // What follows is about people: silences, and the screens.
    let ours = whole.split_once("\n[policy").map_or(whole.as_str(), |(ours, _)| ours);
    let Some((defaults, clusters)) = ours.split_once("\n\n") else { return ours.to_owned() };
    // A cluster says again what it has of the defaults.
    let again = |line: &&str| defaults.lines().any(|one| one == *line);
    let clusters = clusters.lines().filter(|line| !again(line));
    clusters.fold(format!("{defaults}\n\n"), |text, line| text + line + "\n")
}

fn names_files(config: &Config) -> bool {
    config.clusters.iter().any(|cluster| cluster.auth.is_some() || cluster.tls != Tls::default())
}

fn deployment(options: &Options, config: &str) -> String {
    let name = options.config.clusters.first().map_or("", |cluster| cluster.name.as_str());
    // In an argument $(NAME) is a variable.
    let name = name.replace("$(", "$$(");
    DEPLOYMENT
        .replace("@IMAGE@", &quoted(&options.image))
        .replace("@CLUSTER@", &quoted(&name))
        .replace("@CONFIG@", &format!("{:016x}", digest(config)))
}

/// FNV-1a: a changed configuration is to change the pods, and nobody is to be deceived by it.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn network_policy(config: &Config) -> String {
    let members = config.clusters.iter().flat_map(|cluster| &cluster.alertmanager);
    let mut ports: BTreeSet<u16> = members.filter_map(url::Url::port_or_known_default).collect();
    if ports.is_empty() {
        ports.insert(ALERTMANAGER);
    }
    let mut text = POLICY.to_owned();
    text += "    # Alertmanagers: pods, or servers beside Kubernetes. Leave only those that are yours.\n";
    text += "    - to:\n";
    text += "        - namespaceSelector: {}\n";
    text += "          podSelector: { matchLabels: { app.kubernetes.io/name: alertmanager } }\n";
    text += &blocks();
    text += "      ports:\n";
    for port in ports {
        let _ = writeln!(text, "        - {{ protocol: TCP, port: {port} }}");
    }
    text += "    # Nodes, asked for the output of their checks.\n    - to:\n";
    text += &blocks();
    text += "      ports:\n        - { protocol: TCP, port: 10105 }\n";
    let gateways = config.clusters.iter().flat_map(|cluster| &cluster.pushgateway);
    let ports: BTreeSet<u16> = gateways.filter_map(url::Url::port_or_known_default).collect();
    if !ports.is_empty() {
        text += "    # Pushgateways, asked for the same.\n    - to:\n        - namespaceSelector: {}\n";
        text += &blocks();
        text += "      ports:\n";
        for port in ports {
            let _ = writeln!(text, "        - {{ protocol: TCP, port: {port} }}");
        }
    }
    text
}

fn blocks() -> String {
    NODES.iter().fold(String::new(), |text, network| {
        text + &format!("        - ipBlock: {{ cidr: {} }}\n", quoted(network))
    })
}

const DEPLOYMENT: &str = r#"spec:
  # Two, and both get every alert: one may be gone without anybody missing an alert. More of them help nobody.
  replicas: 2
  # One after the other, and no third: with two machines there is no place for it. Half a minute is time for the new one to
  # fetch the details anew before the other goes.
  strategy: { type: RollingUpdate, rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } }
  minReadySeconds: 30
  selector:
    matchLabels: { app.kubernetes.io/name: iaasmon, app.kubernetes.io/component: proxy }
  template:
    metadata:
      labels: { app.kubernetes.io/name: iaasmon, app.kubernetes.io/component: proxy }
      # A changed configuration is a changed pod: the proxy reads it at its start.
      annotations: { iaasmon/config: "@CONFIG@" }
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      # At its end it hands on what it has accepted, for fifteen seconds at most.
      terminationGracePeriodSeconds: 30
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - topologyKey: kubernetes.io/hostname
              labelSelector:
                matchLabels: { app.kubernetes.io/name: iaasmon, app.kubernetes.io/component: proxy }
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: topology.kubernetes.io/zone
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: { app.kubernetes.io/name: iaasmon, app.kubernetes.io/component: proxy }
      securityContext:
        runAsNonRoot: true
        runAsUser: 65534
        runAsGroup: 65534
        fsGroup: 65534
        seccompProfile: { type: RuntimeDefault }
      containers:
        - name: proxy
          image: @IMAGE@
          command: [/usr/local/bin/iaasmon]
          args:
            - serve
            - proxy
            - --config=/etc/iaasmon/config.toml
            - --cluster
            - @CLUSTER@
            - --state-dir=/var/lib/iaasmon
          ports:
            - { name: http, containerPort: 10106, protocol: TCP }
          # Alive is who answers. Who is alive and reaches no Alertmanager is not ready; a new start would not mend that.
          livenessProbe:
            httpGet: { path: /-/healthy, port: http }
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: { path: /-/ready, port: http }
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 3
          resources:
            requests: { cpu: 100m, memory: 128Mi }
            # Bounds of its own: 256 MiB of details, 256 MiB of alerts on their way, 64 MiB that wait for their details. CPU has
            # no limit: alerts that wait for their turn are late.
            limits: { memory: 1Gi }
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: { drop: [ALL] }
          volumeMounts:
            - { name: config, mountPath: /etc/iaasmon, readOnly: true }
            - { name: state, mountPath: /var/lib/iaasmon }
      volumes:
        - name: config
          configMap: { name: iaasmon-proxy }
        # Details outlive the container here, and not the pod: a pod elsewhere fetches them anew, which takes it seconds, and
        # lacks those of nodes that are down until they are up. That is why this is no StatefulSet: a disk that holds a proxy
        # to one zone would cost more than it saves.
        - name: state
          emptyDir: { sizeLimit: 1Gi }
"#;

const SERVICE: &str = r#"spec:
  # No address of its own, on purpose: it is a list of the pods, so that Prometheus finds each proxy as a target of its own and
  # sends every alert to both. Behind one address an alert would reach one of them, by chance its resolve the other, and where
  # that one is gone it would reach none.
  clusterIP: None
  # A proxy that reaches no Alertmanager stays in the list: it answers 5xx and is scraped, and takes alerts again in the moment
  # that an Alertmanager does. Taken out, it would be found again only with the next look.
  publishNotReadyAddresses: true
  selector: { app.kubernetes.io/name: iaasmon, app.kubernetes.io/component: proxy }
  ports:
    - { name: http, port: 10106, targetPort: http, protocol: TCP }
"#;

const BUDGET: &str = r#"spec:
  maxUnavailable: 1
  selector:
    matchLabels: { app.kubernetes.io/name: iaasmon, app.kubernetes.io/component: proxy }
"#;

const POLICY: &str = r#"spec:
  podSelector:
    matchLabels: { app.kubernetes.io/name: iaasmon, app.kubernetes.io/component: proxy }
  policyTypes: [Ingress, Egress]
  ingress:
    # Prometheus, which sends and scrapes, as its operator and its chart label it. Probes come from the machine, which no
    # policy shuts out. For people who read through the proxy add a line.
    - from:
        - namespaceSelector: {}
          podSelector: { matchLabels: { app.kubernetes.io/name: prometheus } }
      ports:
        - { protocol: TCP, port: 10106 }
  egress:
    # Names.
    - to:
        - namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: kube-system } }
      ports:
        - { protocol: UDP, port: 53 }
        - { protocol: TCP, port: 53 }
"#;
