// Starts a program many times from many goroutines, deep and shallow in their stacks, with environments of
// all sizes: `workers PROGRAM ROUNDS`. Go's runtime forks on a goroutine's stack, with memory shared.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// The numbers on the stack are looked at on the way back.
func deep(depth int, work func() error) error {
	var numbers [32]int
	for at := range numbers {
		numbers[at] = depth + at
	}
	var err error
	if depth == 0 {
		err = work()
	} else {
		err = deep(depth-1, work)
	}
	for at := range numbers {
		if numbers[at] != depth+at {
			return fmt.Errorf("a stack was overwritten at depth %d", depth)
		}
	}
	return err
}

func once(program string, worker, round int) error {
	count := 25 + (worker*37+round*11)%176
	environment := []string{"PATH=/usr/bin:/bin:" + strings.Repeat("/x", (worker*500)%3000)}
	for at := 0; at < count; at++ {
		environment = append(environment, fmt.Sprintf("VARIABLE_%d=%d some value of some length", at, at))
	}
	command := exec.Command(program, strconv.Itoa(worker), strconv.Itoa(round))
	command.Env = environment
	output, err := command.Output()
	if err != nil {
		return err
	}
	wanted := fmt.Sprintf("%d %d\n", worker, round)
	if string(output) != wanted {
		return fmt.Errorf("%q, not %q", output, wanted)
	}
	return nil
}

func main() {
	rounds, _ := strconv.Atoi(os.Args[2])
	var group sync.WaitGroup
	errors := make(chan error, 8*rounds)
	for worker := 0; worker < 8; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for round := 0; round < rounds; round++ {
				depth := (worker * round) % 40
				if err := deep(depth, func() error { return once(os.Args[1], worker, round) }); err != nil {
					errors <- err
				}
			}
		}()
	}
	group.Wait()
	close(errors)
	for err := range errors {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("as it was")
}
