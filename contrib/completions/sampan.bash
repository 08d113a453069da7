_sampan_completion() {
    local IFS=$' \t\n' piece rest=$COMP_LINE glued="" words=()
    for piece in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if [[ $glued ]]; then words[-1]+=$piece; else words+=("$piece"); fi
        rest=${rest#*"$piece"}
        glued=1
        [[ -z $rest || $rest == [[:space:]]* ]] && glued=""
    done
    piece=${COMP_WORDS[COMP_CWORD]}
    [[ $piece == [:=] ]] && piece=""
    local before=${words[-1]%"$piece"} type value
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("${value#"$before"}") ;;
        esac
    done < <(COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) _SAMPAN_COMPLETE=bash_complete "$1")
}

complete -o nosort -F _sampan_completion sampan
