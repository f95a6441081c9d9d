/** What `list --help` says about filters and columns. */
export const LIST_DESCRIPTION = `Default column layout: ns46tS
Fast column layout: nsacPt

A filter is one of these; several must all match:
  - how a name begins ("web"), or a regular expression for all of it (".*web.*01")
  - a key of the configuration and its value or a regular expression for it; the parts of the
    key may be shortened ("user.blah=abc", "u.blah=abc", "volatile.eth0.hwaddr=00:16:3e:.*");
    without a value, the key isn't set ("user.blah=")
  - a property with one or more values: type, status, architecture, location, name, project,
    description ("type=container", "status=running,frozen")
  - an address or a subnet ("ipv4=10.0.0.0/8", "ipv6=fd42::1")

== Columns ==
The -c option takes letters and keys, separated by commas where they are not letters:
  4 - IPv4 address
  6 - IPv6 address
  a - Architecture
  b - Storage pool
  c - Creation date
  d - Description
  D - disk usage
  e - Project name
  l - Last used date
  m - Memory usage
  M - Memory usage (%)
  n - Name
  N - Number of Processes
  p - PID of the instance's init process
  P - Profiles
  s - State
  S - Number of snapshots
  t - Type (persistent or ephemeral)
  u - CPU usage (in seconds)
  L - Location of the instance (e.g. its cluster member)
  f - Base Image Fingerprint (short)
  F - Base Image Fingerprint (long)

Keys are written "[config:|devices:]key[:name][:maxWidth]":
  key       a key of the (expanded) configuration, or device.key
  name      the column's header; the key if there is none
  maxWidth  longer values are cut; 0: as wide as the header, -1: as wide as it gets`;
