//! What the systemd unit keeps from the gateway, and from whoever may get hold of it.

use std::fs;

/// Each line closes a door; without it the unit still works, so that nobody would notice.
const CLOSED: [&str; 27] = [
    "CapabilityBoundingSet=",
    "DynamicUser=yes",
    "LimitCORE=0",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "NoNewPrivileges=yes",
    "PrivateDevices=yes",
    "PrivateTmp=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHome=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "ProtectSystem=strict",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "StateDirectoryMode=0700",
    "SystemCallArchitectures=native",
    "SystemCallErrorNumber=EPERM",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "UMask=0077",
];

#[test]
fn the_unit_closes_what_the_gateway_does_not_need() {
    let unit = fs::read_to_string("deploy/intentgate.service").unwrap();
    let lines: Vec<_> = unit.lines().collect();
    for line in CLOSED {
        assert!(lines.contains(&line), "{line} in deploy/intentgate.service");
    }
    // What is set twice is set by the last, but for filters, which add up.
    let keys = CLOSED.iter().filter_map(|line| line.split_once('='));
    for (key, _) in keys.filter(|(key, _)| *key != "SystemCallFilter") {
        let set = lines
            .iter()
            .filter(|line| line.split('=').next() == Some(key));
        assert_eq!(set.count(), 1, "{key}");
    }
}
