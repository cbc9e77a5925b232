package report

import "github.com/nachtfach/nachtfach/locker/report/topic"

// Topic is what a message came on.
type Topic = topic.Topic

// The topics whose messages are handed to [Terminal.Receive].
const (
	TopicOrder   = topic.Order
	TopicRoster  = topic.Roster
	TopicCommand = topic.Command
	TopicPosted  = topic.Posted
)
