# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_vipd_global_optspecs
    string join \n h/help V/version
end

function __fish_vipd_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_vipd_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_vipd_using_subcommand
    set -l cmd (__fish_vipd_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c vipd -n "__fish_vipd_needs_command" -s h -l help -d 'Print help'
complete -c vipd -n "__fish_vipd_needs_command" -s V -l version -d 'Print version'
complete -c vipd -n "__fish_vipd_needs_command" -f -a "run" -d 'take part; in the foreground, until SIGTERM'
complete -c vipd -n "__fish_vipd_needs_command" -f -a "check" -d 'name everything that is wrong with the configuration, by line'
complete -c vipd -n "__fish_vipd_needs_command" -f -a "import" -d 'a keepalived.conf as UCI, on standard output; on standard error, by line, what has no counterpart'
complete -c vipd -n "__fish_vipd_needs_command" -f -a "status" -d 'show every virtual router: state, since when and why, master, counters, and what is tracked'
complete -c vipd -n "__fish_vipd_needs_command" -f -a "watch" -d 'show transitions and the adverts of everybody on every device, as they happen'
complete -c vipd -n "__fish_vipd_needs_command" -f -a "reload" -d 'read the configuration again, as SIGHUP does; a bad one is refused and the old one goes on'
complete -c vipd -n "__fish_vipd_needs_command" -f -a "release" -d 'let another router be master, without a gap, or nobody after four intervals; until reclaim or a restart'
complete -c vipd -n "__fish_vipd_needs_command" -f -a "reclaim" -d 'take part again'
complete -c vipd -n "__fish_vipd_using_subcommand run" -s c -d 'the configuration; /etc/config/vipd if it is not said' -r -F
complete -c vipd -n "__fish_vipd_using_subcommand run" -l socket -d 'where the daemon is to be asked; /var/run/vipd.sock if it is not said' -r -F
complete -c vipd -n "__fish_vipd_using_subcommand run" -l alias -d 'what the configuration calls NAME is the device DEVICE; may be there often' -r -f
complete -c vipd -n "__fish_vipd_using_subcommand run" -l log -d 'where the log goes; stderr if it is not said' -r -f -a "stderr\t''
syslog\t''"
complete -c vipd -n "__fish_vipd_using_subcommand run" -s v -l verbose -d 'say more'
complete -c vipd -n "__fish_vipd_using_subcommand check" -s c -d 'the configuration; /etc/config/vipd if it is not said' -r -F
complete -c vipd -n "__fish_vipd_using_subcommand check" -l alias -d 'what the configuration calls NAME is the device DEVICE; may be there often' -r -f
complete -c vipd -n "__fish_vipd_using_subcommand import" -s i -l id -d 'what keepalived calls this host, as with its own -i; the host\'s name if it is not said' -r -f
complete -c vipd -n "__fish_vipd_using_subcommand status" -l socket -d 'where the daemon is to be asked; /var/run/vipd.sock if it is not said' -r -F
complete -c vipd -n "__fish_vipd_using_subcommand status" -l json -d 'as JSON'
complete -c vipd -n "__fish_vipd_using_subcommand status" -l prometheus -d 'as Prometheus\' text format, for node-exporter\'s textfile collector'
complete -c vipd -n "__fish_vipd_using_subcommand watch" -l socket -d 'where the daemon is to be asked; /var/run/vipd.sock if it is not said' -r -F
complete -c vipd -n "__fish_vipd_using_subcommand watch" -l json -d 'as JSON'
complete -c vipd -n "__fish_vipd_using_subcommand reload" -l socket -d 'where the daemon is to be asked; /var/run/vipd.sock if it is not said' -r -F
complete -c vipd -n "__fish_vipd_using_subcommand release" -l socket -d 'where the daemon is to be asked; /var/run/vipd.sock if it is not said' -r -F
complete -c vipd -n "__fish_vipd_using_subcommand reclaim" -l socket -d 'where the daemon is to be asked; /var/run/vipd.sock if it is not said' -r -F
