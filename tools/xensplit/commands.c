/* SPDX-License-Identifier: MIT */
/* The one table of commands: see cmd.h. Adding a command is a line here and a file beside it. */
#include "tools/xensplit/cmd.h"

#include <stddef.h>
#include <string.h>

#include "tools/lab/lab.h"

const struct option_def global_options[] = {
	{"json", 'j', NULL, "one JSON object instead of text; \"schema\":1"},
	{"socket", 's', "PATH", "the daemon's control socket"},
	{"backend", 'b', "DOMID", "domain whose devices are meant (the one this runs in)"},
	{"color", 0, "WHEN", "auto, always or never"},
	{"quiet", 'q', NULL, "no progress on stderr"},
	{"help", 'h', NULL, "help for the command"},
	{"version", 'V', NULL, "version of this program"},
	{0},
};

static int run_lab(struct call *call)
{
	return xsp_lab_main(call->n_args, call->args);
}

#define DEV_FORMS \
	"A device is named vbd/1/51712 (domain 1, device 51712), 1:xvda or GUESTNAME:xvda; a\n" \
	"network interface vif/1/0.\n"

const struct command commands[] = {
	{
		.name = "attach",
		.args = "DOMAIN TARGET VDEV [ro|rw]",
		.summary = "give a guest a disk",
		.about = "Writes what a toolstack writes to XenStore and waits until the backend "
			 "has\n"
			 "opened the target; with --wait, until the guest uses the disk. When the "
			 "backend\n"
			 "refuses, the device is taken away again and the reason is printed.\n"
			 "\n"
			 "DOMAIN is a number or a name. VDEV is xvda, sdb, d0p1 or a number as in\n"
			 "xen-vbd-interface(7). TARGET says what is behind the disk:\n"
			 "\n"
			 "  /path, file:/path            a file or block device\n"
			 "  file,direct:/path            the same, past the page cache\n"
			 "  null:SIZE                    reads zeros, forgets writes; SIZE is "
			 "512M, 1G, ...\n"
			 "  delay,ms=20:TARGET           every request takes 20 ms longer\n"
			 "  error,op=write,every=100:TARGET   every 100th write fails\n",
		.examples = "attach 1 /vm/data.img xvdb         a second disk for domain 1\n"
			    "attach web /dev/vg/web xvda ro     a logical volume, read-only\n"
			    "attach 1 null:1G xvdc --wait       and wait until the guest has it\n",
		.options = {{"wait", 'w', "[SEC]", "wait until the guest is connected (30)"},
			    {"no-wait", 0, NULL, "only write the nodes"}},
		.min_args = 3,
		.max_args = 4,
		.completes = COMPLETE_DOMAIN,
		.run = cmd_attach,
	},
	{
		.name = "detach",
		.args = "DEVICE",
		.summary = "take a disk away from a guest",
		.about = "Asks the guest to let go (online=0, state=5), waits until the backend "
			 "has\n"
			 "closed, then removes the nodes. A guest that still has the disk mounted "
			 "may\n"
			 "not let go: the command then says so and ends with 5.\n"
			 "\n"
			 "--force takes it away whatever the guest does: requests not yet answered "
			 "never\n"
			 "will be, as if the disk had been pulled out.\n"
			 "\n" DEV_FORMS,
		.examples = "detach vbd/1/51728\n"
			    "detach web:xvdb --timeout 60\n"
			    "detach 1:xvdb --force              the guest does not answer\n",
		.options = {{"force", 'f', NULL, "do not ask the guest"},
			    {"timeout", 't', "SEC", "how long to wait for the guest (10)"}},
		.min_args = 1,
		.max_args = 1,
		.completes = COMPLETE_DEVICE,
		.run = cmd_detach,
	},
	{
		.name = "list",
		.args = "[DOMAIN]",
		.summary = "all disks of all guests, or of one",
		.about = "From XenStore, so it also works without the daemon; `why` and sizes come "
			 "from\n"
			 "the daemon when it answers. The columns are those of `xl block-list`, "
			 "and the\n"
			 "target.\n",
		.examples = "list\n"
			    "list web\n"
			    "list --json | jq '.devices[].target'\n",
		.max_args = 1,
		.completes = COMPLETE_DOMAIN,
		.run = cmd_list,
	},
	{
		.name = "stat",
		.args = "[DEVICE]...",
		.summary = "what disks and network interfaces do: rates, latency, calls per request",
		.about = "Without --watch: totals since the device first appeared. With it: one "
			 "table for\n"
			 "each interval, redrawn on a terminal, plain lines in a pipe; Ctrl-C ends "
			 "it.\n"
			 "\n"
			 "  r/s w/s      requests answered a second\n"
			 "  rMB/s wMB/s  10^6 bytes a second\n"
			 "  p50 p99      latency from taking a request off the ring to its answer\n"
			 "  evt/req      calls into libxenevtchn for each request\n"
			 "  gnt/req      calls into libxengnttab for each request\n"
			 "  err          requests answered with an error\n"
			 "\n"
			 "Of network interfaces (tx: what the guest sends): packets and 10^9 bits a second,\n"
			 "calls for each packet, how often the daemon copied each byte, and how many\n"
			 "packets were dropped for which reason.\n"
			 "\n" DEV_FORMS,
		.examples = "stat\n"
			    "stat --watch\n"
			    "stat --watch --guests\n"
			    "stat --watch 0.5 --count 10 1:xvda | tee log\n"
			    "stat --json | jq '.devices[].latency.read.p99_ns'\n",
		.options = {{"watch", 'w', "[SEC]", "again and again, every second or SEC"},
			    {"count", 'n', "N", "with --watch: end after N intervals"},
			    {"guests", 'g', NULL, "a line for each guest, not for each disk"}},
		.max_args = 64,
		.completes = COMPLETE_DEVICE,
		.run = cmd_stat,
	},
	{
		.name = "top",
		.summary = "what is busiest, on the whole screen",
		.about = "One line for each device, guest or queue, busiest first. Keys: d devices, g guests, u "
			 "queues;\n"
			 "sort by i requests, m bytes, l latency (p99), r ring, n name; + - longer or "
			 "shorter\n"
			 "intervals; q ends. With -b, or in a pipe: plain lines.\n"
			 "\n"
			 "  REQ/S MB/S   answered a second, or packets of a NIC; 10^6 bytes a second\n"
			 "  P50 P99      latency from taking a request off the ring to its answer\n"
			 "  RING         how much of the rings was in use when work was taken\n"
			 "  FLY          requests taken and not answered now\n"
			 "  QUIET        share of the answers that needed no event to the guest\n"
			 "  WORKER CPU   the daemon's thread that has it, and how busy that is\n",
		.examples = "top\n"
			    "top --by queue --sort latency\n"
			    "top -b -d 5 -n 12 > log\n",
		.options = {{"batch", 'b', NULL, "plain lines, no screen"},
			    {"delay", 'd', "SEC", "length of an interval (1)"},
			    {"count", 'n', "N", "end after N intervals"},
			    {"by", 0, "WHAT", "device, guest or queue"},
			    {"sort", 0, "KEY", "requests, bytes, latency, ring or name"}},
		.run = cmd_top,
	},
	{
		.name = "metrics",
		.summary = "all counters as OpenMetrics text",
		.about = "For Prometheus and what else reads that. With --file into a file, by way of "
			 "FILE.tmp, so\n"
			 "that a reader sees all or nothing: for node_exporter's textfile collector its name "
			 "ends in\n"
			 ".prom. The daemon does the same by itself with --metrics-file.\n",
		.examples = "metrics | grep latency\n"
			    "metrics --file /var/lib/prometheus/node-exporter/xensplit.prom --every 15\n",
		.options = {{"file", 'o', "PATH", "write it there, not to standard output"},
			    {"every", 'e', "SEC", "again and again"}},
		.run = cmd_metrics,
	},
	{
		.name = "show",
		.args = "DEVICE",
		.summary = "everything about one disk",
		.about =
			"What the daemon knows and what XenStore says, of both ends.\n\n" DEV_FORMS,
		.examples = "show 1:xvda\n",
		.min_args = 1,
		.max_args = 1,
		.completes = COMPLETE_DEVICE,
		.run = cmd_show,
	},
	{
		.name = "ring",
		.args = "DEVICE",
		.summary = "look into one disk's shared ring",
		.about = "Indices of both sides, granted pages, event channel, what is in flight, "
			 "and who\n"
			 "is waiting for whom.\n\n" DEV_FORMS,
		.examples = "ring vbd/1/51712\n"
			    "ring --queue 1 1:xvda\n"
			    "ring --queue all 1:xvda\n"
			    "ring --json 1:xvda | jq .req_prod\n",
		.options = {{"queue", 'n', "N", "which of its queues, or all (0)"}},
		.min_args = 1,
		.max_args = 1,
		.completes = COMPLETE_DEVICE,
		.run = cmd_ring,
	},
	{
		.name = "network-attach",
		.args = "DOMAIN [KEY=VALUE]...",
		.summary = "give a guest a network interface, in xl's words",
		.about = "Writes what a toolstack writes and waits until the backend has made its end; with\n"
			 "--wait, until the guest uses it. Keys, with commas or blanks between them:\n"
			 "\n"
			 "  mac=00:16:3e:..   made from the ids when absent\n"
			 "  bridge=NAME       the bridge that its TAP joins\n"
			 "  rate=10Mb/s       what the guest may send; 1MB/s@20ms: in portions of 20 ms\n"
			 "  mtu=N, vifname=NAME, devid=N\n"
			 "  script=PATH       a hotplug script that somebody else runs: the device waits for it\n"
			 "  port=SPEC         instead of a TAP: switch:NAME (a switch inside the daemon),\n"
			 "                    pair:NAME (a cable to another guest), packet:IFNAME (a network\n"
			 "                    card or veth as it is), pcap:FILE (written as tcpdump does),\n"
			 "                    pcap,in=FILE: (played to the guest as it was recorded;\n"
			 "                    pcap,in=FILE,fast: without pauses), null: (swallows all)\n",
		.examples = "network-attach web bridge=xenbr0\n"
			    "network-attach 1 mac=00:16:3e:01:02:03,bridge=xenbr0,rate=100Mb/s --wait\n",
		.options = {{"wait", 'w', "[SEC]", "wait until the guest is connected (30)"}},
		.min_args = 1,
		.max_args = 64,
		.completes = COMPLETE_DOMAIN,
		.run = cmd_network_attach,
	},
	{
		.name = "network-detach",
		.args = "DOMAIN [DEVID|MAC]",
		.summary = "take a network interface away from a guest",
		.about = "As `detach` for a disk; vif/1/0 instead of the two words is fine too.\n",
		.examples = "network-detach web 1\n"
			    "network-detach web 00:16:3e:01:02:03\n"
			    "network-detach vif/1/0 --force\n",
		.options = {{"force", 'f', NULL, "do not ask the guest"},
			    {"timeout", 't', "SEC", "how long to wait for the guest (10)"}},
		.min_args = 1,
		.max_args = 2,
		.completes = COMPLETE_DOMAIN,
		.run = cmd_network_detach,
	},
	{
		.name = "network-list",
		.args = "[DOMAIN]",
		.summary = "the network interfaces of all guests, or of one",
		.about = "The columns are those of `xl network-list`.\n",
		.examples = "network-list\n"
			    "network-list web --json\n",
		.max_args = 1,
		.completes = COMPLETE_DOMAIN,
		.run = cmd_network_list,
	},
	{
		.name = "capture",
		.args = "DEVICE",
		.summary = "a network interface's packets, for Wireshark and tcpdump",
		.about = "Both directions, as the daemon sees them: a blank checksum is filled in, a large packet\n"
			 "is shown whole. What a slow reader can't take is left out; traffic never waits.\n"
			 "Ends with Ctrl-C, or when the reader does.\n",
		.examples = "capture vif/1/0 -w - | tcpdump -n -r -\n"
			    "capture vif/1/0 -w dump.pcap --count 1000\n"
			    "capture vif/1/0 -w - --snaplen 96 | wireshark -k -i -\n",
		.options = {{"write", 'w', "FILE", "where to; - is standard output"},
			    {"count", 'n', "N", "end after N packets"},
			    {"snaplen", 0, "BYTES", "keep so many of each packet (65535)"}},
		.min_args = 1,
		.max_args = 1,
		.completes = COMPLETE_DEVICE,
		.run = cmd_capture,
	},
	{
		.name = "doctor",
		.summary = "check this machine: what is missing, and how to mend it",
		.about = "Every line is ok, warn or fail, and says what to do. Ends with 1 when "
			 "something\n"
			 "failed. Changes nothing.\n",
		.examples = "doctor\n"
			    "doctor --json | jq '.checks[] | select(.result!=\"ok\")'\n",
		.run = cmd_doctor,
	},
	{
		.name = "status",
		.summary = "the daemon: process, uptime, settings, sums of all counters",
		.examples = "status\n"
			    "status --json | jq .pid\n",
		.run = cmd_status,
	},
	{
		.name = "log",
		.args = "[LEVEL]",
		.summary = "show or change how much the daemon logs",
		.about = "LEVEL is err, warn, info or debug; it holds until the daemon's next "
			 "start.\n",
		.examples = "log\n"
			    "log debug\n",
		.max_args = 1,
		.completes = COMPLETE_WORDS,
		.words = "err warn info debug",
		.run = cmd_log,
	},
	{
		.name = "throttle",
		.args = "DEVICE|guest/DOMAIN [iops=N/s@T] [bytes=N/s@T] [weight=W]",
		.summary = "limits and weight of a disk, limits of a guest, a network interface's rate",
		.about = "So many requests, so many bytes a second; T: as many at once as come in that time\n"
			 "(50ms). N may end in k, M, G (1000), Ki, Mi, Gi (1024) and B. What is set for a "
			 "guest\n"
			 "all its disks share. 'none' takes a limit away. The guest's requests wait; none "
			 "fails.\n"
			 "\n"
			 "Disks that compete for their worker get its time and what is behind it by weight, "
			 "1 to\n"
			 "10000; without one it is 100. A disk that competes with none has no limit by it.\n"
			 "\n"
			 "Written to XenStore (the nodes xensplit-iops, -bytes, -weight of the backend's "
			 "directory),\n"
			 "in force at once, also over restarts of the daemon.\n"
			 "\n" DEV_FORMS,
		.examples = "throttle web:xvda iops=2000/s@1s bytes=50MB/s\n"
			    "throttle guest/web iops=5000/s            its disks together\n"
			    "throttle vbd/1/51712 weight=300           three times the others' share\n"
			    "throttle vbd/1/51712                      what is set?\n"
			    "throttle vif/1/0 bytes=10MB/s             what the guest may send; xl's `rate`\n"
			    "throttle guest/web iops=none\n",
		.min_args = 1,
		.max_args = 4,
		.completes = COMPLETE_DEVICE,
		.run = cmd_throttle,
	},
	{
		.name = "worker",
		.args = "[list | set N KEY=VALUE... | move DEVICE[:QUEUE] N]",
		.summary = "the daemon's data threads: what runs where, and how they wait",
		.about = "`set` holds until the daemon's next start:\n"
			 "\n"
			 "  mode=event           sleep until a guest sends an event\n"
			 "  mode=adaptive        look at the rings a while longer before that: for\n"
			 "  polling-duration=50  us after the last work, but not while more than\n"
			 "  polling-idle=90      percent of the time is idle\n"
			 "  mode=always          never sleep; guests need send no events\n"
			 "  mode=auto            adaptive where a CPU is to spare, else event\n"
			 "  cpus=0-3,8           run on these only\n"
			 "\n"
			 "`move` gives a queue of a device, or all of them, to another worker; the guest "
			 "sees a\n"
			 "short pause. It also holds for the device's later connections.\n"
			 "\n" DEV_FORMS,
		.examples = "worker\n"
			    "worker set 1 mode=always cpus=3     a CPU for the guests of worker 1\n"
			    "worker set 0 mode=adaptive polling-duration=200\n"
			    "worker move vbd/1/51712 1\n"
			    "worker move web:xvda:0 1            only its first queue\n"
			    "worker list --json | jq '.workers[].cpu_ns'\n",
		.options = {{"timeout", 't', "SEC", "how long to wait for a move (10)"}},
		.max_args = 8,
		.completes = COMPLETE_WORDS,
		.words = "list set move",
		.run = cmd_worker,
	},
	{
		.name = "resize",
		.args = "DEVICE [SIZE]",
		.summary = "offer a disk with another size while it is in use",
		.about = "Without SIZE: look now how large the target is (the daemon does so every two\n"
			 "seconds by itself). With SIZE (16G, +1G, -512M, bytes): make the image file that\n"
			 "large. A smaller size counts for the guest before the image is cut: what lies\n"
			 "beyond it is lost, so shrink the guest's file system first.\n"
			 "\n" DEV_FORMS,
		.examples = "resize vbd/1/51712              after lvextend\n"
			    "resize web:xvda +10G\n",
		.options = {{"timeout", 't', "SEC", "how long to wait until it is done (10)"}},
		.min_args = 1,
		.max_args = 2,
		.completes = COMPLETE_DEVICE,
		.run = cmd_resize,
	},
	{
		.name = "lab",
		.args = "COMMAND...",
		.summary = "Xen on any Linux machine: up, run, status, down",
		.about = "An embedded Xen for development and demos: domains are processes, no "
			 "root and\n"
			 "no hypervisor needed. `xensplit lab --help` lists its commands.\n",
		.examples = "lab up --guests 3\n"
			    "lab run 0 -- xensplit list\n"
			    "lab down\n",
		.max_args = -1,
		.run = run_lab,
	},
	{
		.name = "version",
		.summary = "versions of this program and of the daemon",
		.examples = "version --json\n",
		.run = cmd_version,
	},
	{
		.name = "completion",
		.args = "bash",
		.summary = "print the shell's completion",
		.about = "For this shell: source <(xensplit completion bash)\n",
		.examples = "completion bash > /etc/bash_completion.d/xensplit\n",
		.min_args = 1,
		.max_args = 1,
		.completes = COMPLETE_WORDS,
		.words = "bash",
		.run = cmd_completion,
	},
	{
		.name = "help",
		.args = "[COMMAND]",
		.summary = "this text, or a command's",
		.examples = "help attach\n",
		.max_args = 1,
		.run = cmd_help,
	},
	{0},
};

const struct command *find_command(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}
