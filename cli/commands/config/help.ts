/** What stands above the text in the editor. */

export const INSTANCE_HELP = `### This is a YAML representation of the configuration.
### Any line starting with a '# will be ignored.
###
### A sample configuration looks like:
### name: instance1
### profiles:
### - default
### config:
###   volatile.eth0.hwaddr: 00:16:3e:e9:f8:7f
### devices:
###   homedir:
###     path: /extra
###     source: /home/user
###     type: disk
### ephemeral: false
###
### Note that the name is shown but cannot be changed`;

export const SNAPSHOT_HELP = `### This is a YAML representation of the snapshot's configuration.
### Any line starting with a '# will be ignored.
###
### Only the expiry can be changed:
### expires_at: 2030-01-01T00:00:00Z`;

export const SERVER_HELP = `### This is a YAML representation of the server's configuration.
### Any line starting with a '# will be ignored.
###
### A sample configuration looks like:
### config:
###   core.https_address: '[::]:8443'`;

export const PROFILE_HELP = `### This is a YAML representation of the profile.
### Any line starting with a '# will be ignored.
###
### A profile consists of a set of configuration items followed by a set of
### devices.
###
### An example would look like:
### name: onenic
### config:
###   raw.lxc: lxc.aa_profile=unconfined
### devices:
###   eth0:
###     nictype: bridged
###     parent: lxdbr0
###     type: nic
###
### Note that the name is shown but cannot be changed`;

export const METADATA_HELP = `### This is a YAML representation of the instance metadata.
### Any line starting with a '# will be ignored.
###
### A sample configuration looks like:
###
### architecture: x86_64
### creation_date: 1477146654
### expiry_date: 0
### properties:
###   architecture: x86_64
###   description: BusyBox x86_64
###   name: busybox-x86_64
###   os: BusyBox
### templates:
###   /template:
###     when:
###     - ""
###     create_only: false
###     template: template.tpl
###     properties: {}`;
