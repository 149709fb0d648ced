#!/bin/sh
# tasuki's agent on a login node, protocol v1: it submits what waits, follows it, and needs nobody to be logged in.
#
#   agent.sh trigger                  look after all jobs once, or leave it to whoever does so at this moment
#   agent.sh run ID ATTEMPT           a job's own part, on its node: run the payload once, say how it ended, trigger
#   agent.sh watch                    the watchdog's part, on its node: trigger, and again where jobs have vanished
#   agent.sh report OFFSET FIRST WAIT what the log has after a byte, all flags, all states; waits so long for a pass to end
#   agent.sh manifest ID              hash, size and name of every file of a job
#   agent.sh look [names]             own jobs in the queue: id, Q or R [, name]
#   agent.sh parse KIND               the same from a recorded output on stdin
#
# Files below its folder. Clients and jobs put files in place by a rename; only the holder of the lock moves tickets and writes the log.
#   conf                       KEY=VALUE lines
#   waiting claimed submitted done failed cancelled    a job's ticket lies in one of them; its name is <priority><seq8>-<id>
#   started/<id>.<attempt>/sid   made by the job itself: whoever makes the folder may run, all others may not
#   flags/<id>.<attempt>       how it ended: DONE, FAIL or KILLED; the scheduler's id; KEY=VALUE lines
#   cancel/<id>  kick.d/<any>  requests
#   seen/<id>.<attempt>        when the queue was first found to lack it
#   watchdog, watch/           the id of the job that waits for the end of the others, and its folder
#   lock/                      one file, `free` or named after its holder: taking, keeping and taking over are renames of it
set -u
umask 077

VERSION=1
LOG_BYTES=1048576
VALUE_BYTES=300

root=$(cd "$(dirname "$0")" && pwd -P) || exit 70
cd "$root" || exit 70

# ------------------------------------------------------------------------------------------------------- configuration

scheduler=pbs max_queued=40 max_running=30 max_attempts=3 grace_seconds=120 backoff_seconds=60 lock_seconds=600 watchdog=0

number() { # number VALUE OTHERWISE
    case $1 in '' | *[!0-9]*) echo "$2" ;; *) echo "$1" ;; esac
}

configure() {
    [ -f conf ] || return 0
    while IFS='=' read -r key value; do
        case $key in
            SCHEDULER) scheduler=$value ;;
            MAX_QUEUED) max_queued=$(number "$value" "$max_queued") ;;
            MAX_RUNNING) max_running=$(number "$value" "$max_running") ;;
            MAX_ATTEMPTS) max_attempts=$(number "$value" "$max_attempts") ;;
            GRACE_SECONDS) grace_seconds=$(number "$value" "$grace_seconds") ;;
            BACKOFF_SECONDS) backoff_seconds=$(number "$value" "$backoff_seconds") ;;
            LOCK_SECONDS) lock_seconds=$(number "$value" "$lock_seconds") ;;
            WATCHDOG) watchdog=$(number "$value" 0) ;;
            PATH) PATH=$value:$PATH ;;
        esac
    done <conf
    # what a person's login shell finds, a script's may not
    # shellcheck source=/dev/null
    case $scheduler in pbs) command -v qsub ;; *) command -v sbatch ;; esac >/dev/null ||
        PATH=$PATH:$(set +u; . /etc/profile >/dev/null 2>&1; echo "$PATH")
}

# ----------------------------------------------------------------------------------------------------------------- log

encoded() { # a value as one word: percent-encoded, cut where it is too long
    case $1 in
        *[!A-Za-z0-9._:/@+-]*) printf %s "$1" | od -An -v -tx1 | awk -v most=$VALUE_BYTES '
            BEGIN {
                safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/@+-"
                for (code = 43; code < 123; code++)
                    if (index(safe, sprintf("%c", code))) plain[sprintf("%02x", code)] = sprintf("%c", code)
            }
            {
                for (field = 1; field <= NF; field++) {
                    piece = ($field in plain) ? plain[$field] : "%" toupper($field)
                    if (length(text) + length(piece) > most) { print text; done = 1; exit }
                    text = text piece
                }
            }
            END { if (!done) print text }' ;;
        *) printf '%.300s\n' "$1" ;;
    esac
}

open_log() { # find the number of the last whole line, and end a torn one
    [ ! -s log/agent.log ] || [ -z "$(tail -c 1 log/agent.log)" ] || printf '\n' >>log/agent.log
    seq=$(last_seq log/agent.log)
    [ "$seq" -gt 0 ] || seq=$(last_seq log/agent.log.1)
}

last_seq() {
    tail -n 100 "$1" 2>/dev/null | awk '/^v1 [0-9]+ .* \.$/ { last = $2 } END { print last + 0 }'
}

note() { # note EVENT JOB ATTEMPT [KEY=VALUE ...]
    seq=$((seq + 1))
    line="v1 $seq $(date +%s) $1 $2 $3"
    shift 3
    for pair in "$@"; do line="$line ${pair%%=*}=$(encoded "${pair#*=}")"; done
    printf '%s .\n' "$line" >>log/agent.log
}

rotate() {
    [ -s log/agent.log ] && [ "$(wc -c <log/agent.log)" -gt $LOG_BYTES ] || return 0
    mv log/agent.log log/agent.log.1
    note ROTATED - 0
}

# ---------------------------------------------------------------------------------------------------------------- lock

take_lock() { # the lock is a file: its name says whose it is, and since when that was last true
    host=$(uname -n) last_beat=$(date +%s)
    mine=$$.$last_beat.$host held=lock/$last_beat.$mine
    for _ in 1 2 3 4 5; do
        mv lock/free "$held" 2>/dev/null
        [ -e "$held" ] && { open_log; return 0; }
        holder=$(cd lock && echo *)
        case $holder in '' | '*' | *' '* | free) continue ;; esac # being passed on at this moment
        is_dead "$holder" || return 1
        mv "lock/$holder" "$held" 2>/dev/null
        [ -e "$held" ] && { open_log; note LOCK_TAKEN - 0 from="$holder"; return 0; }
    done
    return 1
}

is_dead() { # is_dead <beat>.<pid>.<start>.<host>
    [ $(($(date +%s) - ${1%%.*})) -le "$lock_seconds" ] || return 0
    rest=${1#*.}
    pid=${rest%%.*} rest=${rest#*.}
    [ "${rest#*.}" = "$host" ] && ! kill -0 "$pid" 2>/dev/null
}

beat() { # whoever has taken the lock over from this process has renamed its file: it leaves everything as it is
    now=$(date +%s)
    if [ "$now" != "$last_beat" ]; then
        mv "$held" "lock/$now.$mine" 2>/dev/null
        held=lock/$now.$mine last_beat=$now
    fi
    [ -e "$held" ] || exit 75
}

# ------------------------------------------------------------------------------------------------------------- tickets

read_ticket() { # read_ticket FILE: its name and what it says
    name=${1##*/}
    id=${name#*-} attempt=1 errors=0 backoffs=0 sid='' past='' after=0 again='' most=$max_attempts
    while IFS='=' read -r key value; do
        case $key in
            ATTEMPT) attempt=$(number "$value" 1) ;;
            ERRORS) errors=$(number "$value" 0) ;;
            BACKOFFS) backoffs=$(number "$value" 0) ;;
            MAX_ATTEMPTS) most=$(number "$value" "$max_attempts") ;;
            SID) sid=$value ;;
            PAST) past=$value ;;
            AFTER) after=$(number "$value" 0) ;;
            AGAIN) again=$value ;;
        esac
    done <"$1"
}

amend() { # amend FILE KEY=VALUE ...: in one rename
    draft=tmp/${1##*/}
    file=$1
    shift
    {
        awk -v given="$*" 'BEGIN { n = split(given, pairs, " "); for (i = 1; i <= n; i++) { sub(/=.*/, "", pairs[i]); drop[pairs[i]] = 1 } }
            { key = $0; sub(/=.*/, "", key); if (!(key in drop)) print }' "$file"
        printf '%s\n' "$@"
    } >"$draft" && mv "$draft" "$file"
}

settle() { # settle FILE STATE EVENT [KEY=VALUE ...]: the job has come to an end
    settled=$1 state=$2 event=$3
    shift 3
    note "$event" "$id" "$attempt" "$@"
    rm -f "seen/$id.$attempt" "cancel/$id"
    mv "$settled" "$state/"
}

# ------------------------------------------------------------------------------------------------------- the scheduler

base() { # the number in a scheduler's id: 123.server, 123[].server, 123;cluster
    short=${1%%.*}
    echo "${short%%;*}"
}

parse() { # parse KIND: jobs in the queue, one a line: id, Q or R, and the name where the output has it whole
    case $1 in
        pbs) awk '
            $1 ~ /^[0-9]+(\[[0-9]*\])?(\.|$)/ && NF >= 10 {
                sub(/\..*/, "", $1)
                state = $(NF - 1)
                if (state ~ /^[REB]$/) print $1, "R"
                else if (state ~ /^[QHWTSU]$/) print $1, "Q"
            }' ;;
        pbs-names) awk '
            function tell() {
                if (id != "" && state ~ /^[REB]$/) print id, "R", name
                else if (id != "" && state ~ /^[QHWTSU]$/) print id, "Q", name
            }
            /^Job Id:/ { tell(); id = $3; sub(/\..*/, "", id); name = state = "" }
            $1 == "Job_Name" { name = $3 }
            $1 == "job_state" { state = $3 }
            END { tell() }' ;;
        slurm) awk -F '|' '
            $2 ~ /^(RUNNING|COMPLETING|SUSPENDED|STOPPED|SIGNALING|STAGE_OUT|RESIZING)$/ { print $1, "R", $3 }
            $2 ~ /^(PENDING|CONFIGURING|REQUEUED|REQUEUE_HOLD|REQUEUE_FED|SPECIAL_EXIT|RESV_DEL_HOLD)$/ { print $1, "Q", $3 }' ;;
    esac
}

look() { # look [names]: ask the queue; fails where it does not answer
    user=$(id -un)
    case $scheduler${1:+-$1} in
        pbs) qstat -u "$user" ;;
        pbs-names) qstat -f ;;
        slurm*) squeue --noheader --user="$user" --format='%i|%T|%j' ;;
    esac >"tmp/look.$$" 2>"tmp/look.err.$$" </dev/null
    code=$?
    said_look=$(head -c 300 "tmp/look.err.$$"; [ $code -eq 0 ] || head -c 300 "tmp/look.$$")
    # an empty queue may be an exit code and no word
    [ $code -eq 0 ] || { [ $code -eq 153 ] && [ -z "$said_look" ]; } || { echo "$said_look" >"tmp/look.$$"; return 1; }
    case $scheduler in pbs) parse "pbs${1:+-$1}" ;; *) parse "$scheduler" ;; esac <"tmp/look.$$"
}

without_job() { # what a surrounding job has in its environment is not for the jobs that it submits
    env | awk -F = '/^(SLURM|SBATCH|PBS)_[A-Za-z0-9_]*=/ && $1 !~ /^(SLURM_CONF|PBS_CONF_FILE|PBS_DEFAULT|PBS_SERVER|PBS_EXEC)$/ { print $1 }'
}

submit() { # submit ID: prints what the scheduler says
    cd "jobs/$1" || return 1
    # shellcheck disable=SC2046 # one word a variable
    unset $(without_job) none
    case $scheduler in
        pbs) qsub -N "$1" -r n -j oe -o .run/scheduler.out .run/job.sh ;;
        slurm) sbatch --parsable --no-requeue --job-name="$1" --output=.run/scheduler.out .run/job.sh ;;
    esac </dev/null 2>&1
}

submitted_id() { # the last line that is an id, whatever else was said
    awk '/^[0-9]+(\[\])?([.;][A-Za-z0-9._-]+)?$/ { id = $0 } END { print id }'
}

telling() { # of what a scheduler and its wrappers say, the lines in its own name
    printf '%s\n' "$1" | grep -E "^[ ']*(qsub|sbatch|PBS|ERROR): " || printf '%s\n' "$1"
}

cancel_jobs() { # cancel_jobs SID ...
    [ $# -eq 0 ] || case $scheduler in pbs) qdel "$@" ;; slurm) scancel "$@" ;; esac >/dev/null 2>&1 </dev/null
}

# ---------------------------------------------------------------------------------------------------------- one pass

pass() {
    beat
    rotate
    cancel_waiting
    for ticket in claimed/* submitted/*; do
        [ -e "$ticket" ] && { beat; read_ticket "$ticket"; end_by_flag "$ticket"; }
    done
    any_ticket waiting claimed submitted || return 0
    if ! look >tmp/queue; then
        note QUEUE_UNKNOWN - 0 text="$(cat "tmp/look.$$")"
        return 0
    fi
    resolve_claimed
    follow_submitted
    submit_waiting
    [ "$watchdog" -eq 0 ] || [ -z "$alive" ] || keep_watchdog
}

any_of() {
    for path in "$@"; do [ -e "$path" ] && return 0; done
    return 1
}

any_ticket() {
    for folder in "$@"; do any_of "$folder"/* && return 0; done
    return 1
}

cancel_waiting() {
    for request in cancel/*; do
        [ -e "$request" ] || continue
        beat
        wanted=${request##*/}
        for ticket in waiting/*-"$wanted"; do
            [ -e "$ticket" ] || continue
            read_ticket "$ticket"
            fence "$id.$attempt"
            settle "$ticket" cancelled CANCELLED
        done
        any_of claimed/*-"$wanted" submitted/*-"$wanted" || rm -f "$request"
    done
}

fence() { # fence <id>.<attempt>: from now on it can't start; fails where it has started
    mkdir "started/$1" 2>/dev/null && echo nobody >"started/$1/sid"
}

end_by_flag() { # end_by_flag FILE: succeeds where the job has said how it ended
    flag=flags/$id.$attempt
    [ -e "$flag" ] || flag=completed/$id.flag
    [ -e "$flag" ] || return 1
    { read -r word; read -r ended; } <"$flag"
    case $flag in completed/*) [ -z "$sid" ] || [ "$(base "$sid")" = "$(base "$ended")" ] || return 1 ;; esac
    set -- "$1" sid="$ended" "code=$(sed -n 's/^CODE=//p' "$flag")"
    reason=$(sed -n 's/^REASON=//p' "$flag")
    [ -z "$reason" ] || set -- "$@" reason="$reason"
    case $word in
        DONE) settle "$1" "done" DONE "$2" "$3" ;;
        *)
            ticket_file=$1
            shift
            if [ -e "cancel/$id" ]; then
                settle "$ticket_file" cancelled CANCELLED "$@"
            elif [ "$word" = KILLED ]; then
                settle "$ticket_file" failed KILLED "$@" signal="$(sed -n 's/^SIGNAL=//p' "$flag")"
            else
                settle "$ticket_file" failed FAIL "$@"
            fi
            ;;
    esac
}

in_queue() { # in_queue SID: its letter
    awk -v id="$(base "$1")" '$1 == id { print $2; exit }' tmp/queue
}

missing_long() { # missing_long <id>.<attempt>: the second look, a grace period after the first, has not found it either
    first=$(cat "seen/$1" 2>/dev/null)
    if [ -z "$first" ]; then
        date +%s >tmp/seen && mv tmp/seen "seen/$1"
        return 1
    fi
    [ $(($(date +%s) - first)) -ge "$grace_seconds" ]
}

started_sid() {
    cat "started/$id.$attempt/sid" 2>/dev/null
}

resolve_claimed() { # a holder was stopped between its intent and its note
    any_ticket claimed || return 0
    look names >tmp/names || return 0
    for ticket in claimed/*; do
        [ -e "$ticket" ] || continue
        beat
        read_ticket "$ticket"
        [ -n "$sid" ] || sid=$(started_sid)
        [ -n "$sid" ] || sid=$(awk -v name="$id" -v past=",$past," '$3 == name && !index(past, "," $1 ",") { print $1; exit }' tmp/names)
        if [ -n "$sid" ]; then
            rm -f "seen/$id.$attempt"
            record "$ticket"
        elif missing_long "$id.$attempt"; then
            note UNCLAIMED "$id" "$attempt"
            rm -f "seen/$id.$attempt"
            mv "$ticket" waiting/
        fi
    done
}

record() { # record FILE: it is in the queue under $sid
    amend "$1" SID="$sid"
    note SUBMITTED "$id" "$attempt" sid="$sid"
    mv "$1" submitted/
}

follow_submitted() {
    queued=0 running=0 unwanted='' unwanted_running='' alive='' last=''
    for ticket in submitted/*; do
        [ -e "$ticket" ] || continue
        beat
        read_ticket "$ticket"
        [ -z "$again" ] || { requeue "$ticket"; continue; }
        real=$(started_sid)
        case $real in '' | nobody) ;; *) sid=$real ;; esac # of two jobs for one attempt, the one that runs
        case $(in_queue "$sid") in
            R) running=$((running + 1)); [ ! -e "cancel/$id" ] || unwanted_running="$unwanted_running $sid" ;;
            Q) queued=$((queued + 1)); [ ! -e "cancel/$id" ] || unwanted="$unwanted $sid" ;;
            *) ! missing "$ticket" || queued=$((queued + 1)); continue ;;
        esac
        alive="$alive:${sid%%;*}" last=$id
        rm -f "seen/$id.$attempt"
    done
    # those that wait first: they would take the place of the others
    # shellcheck disable=SC2086 # one word an id
    cancel_jobs $unwanted $unwanted_running
}

missing() { # missing FILE: the queue lacks it. Fails where that is its end
    end_by_flag "$1" && return 1
    if [ -e "cancel/$id" ] && { fence "$id.$attempt" || missing_long "$id.$attempt"; }; then
        settle "$1" cancelled CANCELLED sid="$sid"
        return 1
    fi
    missing_long "$id.$attempt" || return 0
    end_by_flag "$1" && return 1
    fence "$id.$attempt"
    note LOST "$id" "$attempt" sid="$sid"
    if [ "$attempt" -ge "$most" ]; then
        settle "$1" failed FAILED reason=lost sid="$sid"
    else
        rm -f "seen/$id.$attempt"
        amend "$1" ATTEMPT=$((attempt + 1)) SID= PAST="$past,$(base "$sid")" AGAIN=lost
        read_ticket "$1"
        requeue "$1"
    fi
    return 1
}

requeue() { # requeue FILE: its next attempt waits
    note REQUEUED "$id" "$attempt" reason="$again"
    mv "$1" waiting/
}

submit_waiting() {
    [ "$(cat backoff 2>/dev/null || echo 0)" -le "$(date +%s)" ] || return 0
    for ticket in waiting/*; do
        [ -e "$ticket" ] || continue
        [ $((queued + running)) -lt "$max_queued" ] && [ "$running" -lt "$max_running" ] || return 0
        beat
        read_ticket "$ticket"
        [ "$after" -le "$(date +%s)" ] || continue
        mv "$ticket" claimed/ || continue
        ticket=claimed/$name
        submit_claimed "$ticket" || return 0
    done
}

submit_claimed() { # submit_claimed FILE: fails where the scheduler takes no more for now
    [ -z "$again" ] || amend "$1" AGAIN=
    set_attempt
    said=$( (submit "$id") )
    code=$?
    beat
    sid=$(printf '%s\n' "$said" | submitted_id)
    if [ $code -eq 0 ] && [ -n "$sid" ]; then
        record "$1"
        queued=$((queued + 1)) alive="$alive:${sid%%;*}" last=$id
        return 0
    fi
    printf '%s\n' "$said" >"jobs/$id/.run/refused.txt"
    said=$(telling "$said")
    case $(printf %s "$said" | tr '[:upper:]' '[:lower:]') in
        *limit* | *quota* | *exceed* | *'maximum number of jobs'*)
            echo $(($(date +%s) + backoff_seconds)) >tmp/backoff && mv tmp/backoff backoff
            note BACKOFF "$id" "$attempt" text="$said"
            # one that is refused again and again lets others go first
            backoffs=$((backoffs + 1))
            [ $backoffs -lt 3 ] || after=$(($(date +%s) + 2 * backoff_seconds))
            amend "$1" BACKOFFS=$backoffs AFTER="$after"
            mv "$1" waiting/
            return 1
            ;;
    esac
    errors=$((errors + 1))
    note QSUB_ERROR "$id" "$attempt" code="$code" text="$said"
    if [ "$errors" -ge "$max_attempts" ]; then
        settle "$1" failed FAILED reason="$said"
    else
        amend "$1" ERRORS="$errors" AFTER="$(($(date +%s) + backoff_seconds))"
        mv "$1" waiting/
    fi
}

keep_watchdog() { # a job behind all others that run or wait now: it sees those that ended too hard to say so
    [ "$(cat watch/after 2>/dev/null || echo 0)" -le "$(date +%s)" ] || return 0
    [ ! -e watchdog ] || [ -z "$(in_queue "$(cat watchdog)")" ] || return 0
    mkdir -p watch
    # shellcheck disable=SC2016 # a script for another shell
    {
        echo '#!/bin/sh'
        sed -n -e '/^#PBS -[qA] /p' -e '/^#SBATCH --partition=/p' -e '/^#SBATCH --account=/p' "jobs/$last/.run/job.sh"
        minutes=$((10 + grace_seconds / 60))
        long=$((minutes / 60)):$((minutes % 60)):00
        case $scheduler in pbs) echo "#PBS -l walltime=$long" ;; slurm) echo "#SBATCH --time=$long" ;; esac
        echo 'cd "${PBS_O_WORKDIR:-${SLURM_SUBMIT_DIR:-.}}" && exec /bin/sh ../agent.sh watch'
    } >watch/job.sh
    said=$( (
        cd watch || exit
        # shellcheck disable=SC2046 # one word a variable
        unset $(without_job) none
        case $scheduler in
            pbs) qsub -N tasuki_watch -r n -j oe -o out -W "depend=afterany$alive" job.sh ;;
            slurm) sbatch --parsable --no-requeue --job-name=tasuki_watch --output=out --dependency="afterany$alive" job.sh ;;
        esac </dev/null 2>&1
    ) )
    sid=$(printf '%s\n' "$said" | submitted_id)
    if [ -n "$sid" ]; then
        echo "$sid" >tmp/watchdog && mv tmp/watchdog watchdog
    else
        echo $(($(date +%s) + backoff_seconds)) >watch/after
        note QSUB_ERROR - 0 text="watchdog: $(telling "$said")"
    fi
}

set_attempt() { # the job's script says which attempt it is
    script=jobs/$id/.run/job.sh
    grep -q "^attempt=$attempt$" "$script" 2>/dev/null && return
    sed "s/^attempt=[0-9]*$/attempt=$attempt/" "$script" >tmp/job.sh && mv tmp/job.sh "$script"
}

trigger() {
    LC_ALL=C
    export LC_ALL
    kick=kick.d/$(uname -n).$$
    : >"$kick"
    configure
    while any_ticket kick.d; do # somebody may have come while the lock was being freed
        take_lock || return 0
        while any_ticket kick.d; do
            for request in kick.d/*; do rm -f "$request"; done
            pass
        done
        beat
        mv "$held" lock/free
    done
}

# ----------------------------------------------------------------------------------------------------- the job's part

run() { # run ID ATTEMPT
    id=$1 attempt=$2 sid=${PBS_JOBID:-${SLURM_JOB_ID:-here.$$}} signal='' child='' reason='' code=0 told=''
    if mkdir "started/$id.$attempt" 2>/dev/null; then
        # before it is known that this attempt has begun: what is read of it then must be its own
        [ "$attempt" -eq 1 ] || [ ! -e "jobs/$id/stdout.txt" ] || mv "jobs/$id/stdout.txt" "jobs/$id/.run/stdout.before-$attempt.txt"
        echo "$sid" >"started/$id.$attempt/.sid" && mv "started/$id.$attempt/.sid" "started/$id.$attempt/sid"
    elif [ "$(started_sid)" != "$sid" ]; then
        echo "tasuki: attempt $attempt of $id is $(started_sid)'s: this job does nothing" >&2
        exit 98
    fi
    for caught in TERM INT USR1 USR2 XCPU; do
        # shellcheck disable=SC2064 # the name of now
        trap "killed $caught" "$caught"
    done
    trap ended EXIT
    cd "jobs/$id" || exit 97
    # in the background: a shell runs its traps only when it waits
    payload </dev/null >stdout.txt 2>&1 &
    child=$!
    wait "$child"
    code=$?
    while [ -n "$signal" ] && kill -0 "$child" 2>/dev/null; do wait "$child"; done
    [ -n "$signal" ] && exit 143
    if [ "$code" -eq 0 ] && [ -e .run/check.sh ]; then
        reason=$(sh .run/check.sh 2>&1) && reason='' || code=1
    fi
    (cd "$root" && manifest "$id") >.run/manifest.new && mv .run/manifest.new .run/manifest
    exit "$code"
}

payload() {
    trap - TERM INT USR1 USR2 XCPU EXIT
    [ -x .run/payload.sh ] && exec .run/payload.sh
    exec sh .run/payload.sh
}

killed() { # said at once: there may be no time for more
    signal=$1
    tell KILLED
    kill -TERM "$child" 2>/dev/null
}

tell() { # tell WORD: the flag, whole or not at all
    [ -z "$told" ] || return 0
    told=$1
    (
        cd "$root" || exit
        {
            printf '%s\n%s\nCODE=%s\nEND=%s\n' "$1" "$sid" "$code" "$(date +%s)" || exit
            [ -z "$signal" ] || printf 'SIGNAL=%s\n' "$signal"
            [ -z "$reason" ] || printf 'REASON=%.200s\n' "$(printf %s "$reason" | tr '\n' ' ')"
        } >"flags/.$id.$attempt" && mv "flags/.$id.$attempt" "flags/$id.$attempt"
    )
}

ended() {
    trap '' TERM INT USR1 USR2 XCPU
    if [ "$code" -eq 0 ]; then tell DONE; else tell FAIL; fi
    cd "$root" || exit
    configure
    trigger_from_node
}

watch() { # it is no longer the one that waits; those that are missing now may be lost a grace period later
    rm -f watchdog
    configure
    trigger_from_node
    await_pass 600 # of whoever was at it
    any_of seen/* || return 0
    sleep $((grace_seconds + 1))
    trigger_from_node
}

trigger_from_node() { # here, if the scheduler is here, else where the job was submitted, else by whoever comes next
    origin=${PBS_O_HOST:-${SLURM_SUBMIT_HOST:-}}
    if command -v qsub >/dev/null || command -v sbatch >/dev/null; then
        sh "$root/agent.sh" trigger
    elif [ -z "$origin" ] || ! ssh -o BatchMode=yes -o ConnectTimeout=10 "$origin" "sh '$root/agent.sh' trigger" </dev/null; then
        : >"kick.d/$(uname -n).$$"
    fi >/dev/null 2>&1
}

# --------------------------------------------------------------------------------------------------- for the client

manifest() { # manifest ID: hash, size and percent-encoded name, one file a line
    # shellcheck disable=SC2016 # a script for another shell
    (cd "jobs/$1" && find . -path ./.run -prune -o -type f -exec sh -c '
        for file; do
            hash=$({ sha256sum || shasum -a 256; } <"$file" 2>/dev/null)
            printf "%s %s " "${hash%% *}" "$(wc -c <"$file" | tr -d " ")"
            printf "%s" "${file#./}" | od -An -v -tx1 | tr -d " \n"
            echo
        done' sh {} +)
}

report() { # report OFFSET FIRST WAIT: FIRST is the number of the log's first line as it was then
    LC_ALL=C
    export LC_ALL
    await_pass "$3"
    first=$(head -n 1 log/agent.log 2>/dev/null | awk '{ print $2 + 0 }')
    echo "agent $VERSION"
    echo "log ${first:-0} $([ "${first:-0}" = "$2" ] && echo "$1" || echo 0)"
    if [ "${first:-0}" = "$2" ]; then
        tail -c "+$(($1 + 1))" log/agent.log
    else
        [ "$2" -eq 0 ] || tail -c "+$(($1 + 1))" log/agent.log.1 2>/dev/null | sed 's/^v1 /old v1 /'
        cat log/agent.log 2>/dev/null
    fi | sed 's/^/L /'
    printf '\n.\n' # after a line that is whole there is an empty one
    (cd flags && find . -name '*.*' -type f ! -name '.*' -exec awk '
        FNR == 1 { if (NR > 1) print ""; printf "F %s", substr(FILENAME, 3) }
        { gsub(/\t/, " "); printf "\t%s", $0 }
        END { print "" }' {} +)
    find waiting claimed submitted "done" failed cancelled -type f ! -name '.*' -exec awk '
        function tell() { if (place != "") print "S " place, attempt, sid }
        FNR == 1 { tell(); place = FILENAME; sub("/", " ", place); attempt = 1; sid = "" }
        /^ATTEMPT=/ { attempt = substr($0, 9) }
        /^SID=/ { sid = substr($0, 5) }
        END { tell() }' {} +
    (cd completed && find . -name '*.flag' -type f -exec awk '
        FNR == 1 { if (NR > 1) print ""; id = substr(FILENAME, 3); sub(/\.flag$/, "", id); printf "C %s", id }
        { printf "\t%s", $0 }
        END { print "" }' {} +)
    for started in started/*; do
        [ ! -e "$started/sid" ] || [ -e "flags/${started#started/}" ] || echo "R ${started#started/}"
    done
}

await_pass() { # await_pass TENTHS: until nobody holds the lock
    tries=$1
    while [ "$tries" -gt 0 ] && { [ ! -e lock/free ] || any_ticket kick.d; }; do
        tries=$((tries - 1))
        sleep 0.1 2>/dev/null || sleep 1
    done
}

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
    trigger | run | watch | report | manifest) "$command" "$@" ;;
    look) configure; look "$@" ;;
    parse) parse "$1" ;;
    version) echo $VERSION ;;
    *) sed -n '2,/^set -u/s/^# \{0,1\}//p' "$0"; exit 64 ;;
esac
